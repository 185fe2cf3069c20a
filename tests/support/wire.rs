//! The server's end of a connection, TLS or plain: one thread reads it while any other may write to it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use rustls::{ServerConfig, ServerConnection};

use super::Watched;

/// One accepted connection.
pub struct Connection {
    socket: TcpStream,
    tls: OnceLock<Mutex<Tls>>,
    compression: OnceLock<Compression>,
    /// What all connections of a listener have sent.
    sent: Arc<AtomicU64>,
}

/// RFC 4978, from some moment on.
struct Compression {
    deflate: Mutex<Compress>,
    inflate: Mutex<(Decompress, Vec<u8>)>,
}

struct Tls {
    session: ServerConnection,
    /// Bytes read from the socket, and how many of them the session has taken.
    incoming: Vec<u8>,
    taken: usize,
}

impl Connection {
    fn new(socket: TcpStream, config: Option<&Arc<ServerConfig>>, sent: &Arc<AtomicU64>) -> Connection {
        socket.set_nodelay(true).unwrap();
        let connection = Connection {
            socket,
            tls: OnceLock::new(),
            compression: OnceLock::new(),
            sent: Arc::clone(sent),
        };
        if let Some(config) = config {
            connection.begin_tls(config);
        }
        connection
    }

    fn begin_tls(&self, config: &Arc<ServerConfig>) {
        self.tls.get_or_init(|| {
            Mutex::new(Tls {
                session: ServerConnection::new(Arc::clone(config)).unwrap(),
                incoming: Vec::new(),
                taken: 0,
            })
        });
    }

    /// TLS from here on, as after STARTTLS.
    pub fn start_tls(&self, config: &Arc<ServerConfig>) -> io::Result<()> {
        self.begin_tls(config);
        self.handshake()
    }

    /// Compressed from here on.
    pub fn compress(&self) {
        self.compression.get_or_init(|| Compression {
            deflate: Mutex::new(Compress::new(flate2::Compression::default(), false)),
            inflate: Mutex::new((Decompress::new(false), Vec::new())),
        });
    }

    /// Ends the TLS handshake, so that a server may speak first.
    fn handshake(&self) -> io::Result<()> {
        let Some(tls) = self.tls.get() else { return Ok(()) };
        while lock(tls).session.is_handshaking() {
            if !self.fill(tls)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Reads what there is; 0 at the end. The lock is not held while the socket is waited for, so others can write.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(compression) = self.compression.get() else {
            return self.read_wire(buffer);
        };
        let mut guard = lock(&compression.inflate);
        let (inflate, received) = &mut *guard;
        loop {
            let (taken, given) = (inflate.total_in(), inflate.total_out());
            inflate
                .decompress(received, buffer, FlushDecompress::None)
                .map_err(io::Error::other)?;
            received.drain(..usize::try_from(inflate.total_in() - taken).unwrap());
            if inflate.total_out() > given {
                return Ok(usize::try_from(inflate.total_out() - given).unwrap());
            }
            let mut chunk = vec![0; 4096];
            let length = self.read_wire(&mut chunk)?;
            if length == 0 {
                return Ok(0);
            }
            received.extend_from_slice(&chunk[..length]);
        }
    }

    fn read_wire(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = self.tls.get() else {
            return (&self.socket).read(buffer);
        };
        loop {
            match lock(tls).session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                done => return done,
            }
            if !self.fill(tls)? {
                return Ok(0);
            }
        }
    }

    /// Gives the session more bytes from the socket; false when the peer has closed it.
    fn fill(&self, tls: &Mutex<Tls>) -> io::Result<bool> {
        let mut guard = lock(tls);
        if guard.taken == guard.incoming.len() {
            let mut chunk = std::mem::take(&mut guard.incoming);
            drop(guard);
            chunk.resize(64 * 1024, 0);
            let length = (&self.socket).read(&mut chunk)?;
            if length == 0 {
                return Ok(false);
            }
            chunk.truncate(length);
            guard = lock(tls);
            (guard.incoming, guard.taken) = (chunk, 0);
        }
        let Tls {
            session,
            incoming,
            taken,
        } = &mut *guard;
        *taken += session.read_tls(&mut &incoming[*taken..])?;
        let processed = session.process_new_packets();
        // Also after an error: the alert tells the client why.
        while session.wants_write() {
            session.write_tls(&mut &self.socket)?;
        }
        processed.map_err(io::Error::other)?;
        Ok(true)
    }

    /// Sends all of `bytes`.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(compression) = self.compression.get() else {
            return self.write_wire(bytes);
        };
        // Held while it is sent: blocks must leave in order.
        let mut deflate = lock(&compression.deflate);
        let mut compressed = Vec::with_capacity(bytes.len() + 1024);
        deflate.compress_vec(bytes, &mut compressed, FlushCompress::Sync)?;
        self.write_wire(&compressed)
    }

    fn write_wire(&self, bytes: &[u8]) -> io::Result<()> {
        self.sent
            .fetch_add(u64::try_from(bytes.len()).unwrap(), Ordering::Relaxed);
        let Some(tls) = self.tls.get() else {
            return (&self.socket).write_all(bytes);
        };
        let mut guard = lock(tls);
        for chunk in bytes.chunks(16 * 1024) {
            guard.session.writer().write_all(chunk)?;
            while guard.session.wants_write() {
                guard.session.write_tls(&mut &self.socket)?;
            }
        }
        Ok(())
    }

    /// Says goodbye (TLS `close_notify`) and closes.
    pub fn close(&self) {
        if let Some(tls) = self.tls.get() {
            let mut guard = lock(tls);
            guard.session.send_close_notify();
            let _ = guard.session.write_tls(&mut &self.socket);
        }
        self.cut();
    }

    /// Ends the connection without a word, as a crash or a cable does.
    pub fn cut(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// A port on loopback; every connection is served by a thread of its own.
pub struct Listener {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    open: Arc<Watched<Vec<Arc<Connection>>>>,
    sent: Arc<AtomicU64>,
    config: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    accepting: Option<thread::JoinHandle<()>>,
}

impl Listener {
    /// Listens on a free port and calls `serve` for each connection whose TLS handshake succeeded.
    pub fn start(
        config: Option<Arc<ServerConfig>>,
        serve: impl Fn(&Arc<Connection>) + Send + Sync + 'static,
    ) -> Listener {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Watched::new(Vec::new()));
        let serve = Arc::new(serve);
        let sent = Arc::new(AtomicU64::new(0));
        let config = Arc::new(Mutex::new(config));
        let accepting = thread::spawn({
            let stopping = Arc::clone(&stopping);
            let open = Arc::clone(&open);
            let sent = Arc::clone(&sent);
            let config = Arc::clone(&config);
            move || {
                for socket in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(socket) = socket else { continue };
                    let connection = Arc::new(Connection::new(socket, lock(&config).as_ref(), &sent));
                    open.change(|open| open.push(Arc::clone(&connection)));
                    let open = Arc::clone(&open);
                    let serve = Arc::clone(&serve);
                    thread::spawn(move || {
                        if connection.handshake().is_ok() {
                            serve(&connection);
                        }
                        connection.cut();
                        open.change(|open| open.retain(|other| !Arc::ptr_eq(other, &connection)));
                    });
                }
            }
        });
        Listener {
            address,
            stopping,
            open,
            sent,
            config,
            accepting: Some(accepting),
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Bytes sent on all connections, before TLS.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Shows another certificate to whoever connects from now on.
    pub fn set_config(&self, config: Arc<ServerConfig>) {
        *lock(&self.config) = Some(config);
    }

    /// Waits until no connection is open: whatever clients had sent has been read to its end.
    pub fn wait_for_the_end_of_all(&self) {
        self.open
            .wait_for("the end of every connection", |open| open.is_empty().then_some(()));
    }

    /// Ends every open connection without a word.
    pub fn cut_all(&self) {
        self.open
            .look(|open| open.iter().for_each(|connection| connection.cut()));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // `accept` has no timeout: a connection of our own ends it.
        if TcpStream::connect(self.address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ = accepting.join();
        }
        self.cut_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
