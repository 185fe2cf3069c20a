//! The real program as a child process, and the configuration that connects it to the two servers.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use super::Watched;
use super::certificates;
use super::imap_server::{self, ImapServer};
use super::receiver::{self, Receiver};

pub const INSTALLATION_KEY: &str = "e9a3bcdf-efa2-47ae-b6df-579a02f3a54d";

/// What the program may never print, in whatever test: passwords, keys, the path of the receiver's URL, and the beginning of
/// every secret that a test makes up. [`Collector`] looks for them in every line.
pub const SECRETS: [&str; 6] = [
    imap_server::PASSWORD,
    receiver::SECRET,
    "hook/mail",
    INSTALLATION_KEY,
    "wrong-secret",
    "canary-",
];

/// Fails where `told` holds one of [`SECRETS`]: what a program said that no [`Collector`] listens to.
pub fn no_secret_in(told: &[u8]) {
    let found = SECRETS
        .iter()
        .find(|secret| memchr::memmem::find(told, secret.as_bytes()).is_some());
    assert_eq!(found, None, "it tells a secret: {}", String::from_utf8_lossy(told));
}

/// A configuration, right in everything; a test makes one thing wrong.
#[derive(Debug, Clone)]
pub struct Configuration {
    pub server: String,
    pub username: String,
    pub password: String,
    pub inbox_name: Option<String>,
    pub inbox_names: Vec<String>,
    pub max_connections: Option<usize>,
    pub is_insecure: bool,
    pub from_zero: bool,
    pub ca_file: PathBuf,
    pub state_dir: PathBuf,
    pub platform: &'static str,
    pub dest_url: String,
    pub lc_secret: String,
    /// More lines under `imap` and under `client_options`, as YAML flow: `key: value`.
    pub more: Vec<String>,
    pub more_options: Vec<String>,
}

impl Configuration {
    /// From zero, over TLS, with the checkpoint in `state_dir`.
    pub fn new(port: u16, [username, password]: [&str; 2], dest_url: String, state_dir: &Path) -> Configuration {
        Configuration {
            server: format!("localhost:{port}"),
            username: username.to_owned(),
            password: password.to_owned(),
            inbox_name: None,
            inbox_names: Vec::new(),
            max_connections: None,
            is_insecure: false,
            from_zero: true,
            ca_file: certificates::authority(),
            state_dir: state_dir.to_owned(),
            platform: "json",
            dest_url,
            lc_secret: receiver::SECRET.to_owned(),
            more: Vec::new(),
            more_options: Vec::new(),
        }
    }

    /// Between the two servers of this process.
    pub fn between(server: &ImapServer, receiver: &Receiver, state_dir: &Path) -> Configuration {
        let login = [imap_server::USER, imap_server::PASSWORD];
        Configuration::new(server.port(), login, receiver.url(), state_dir)
    }

    /// As YAML. Strings are written as JSON, which YAML takes as they are.
    pub fn yaml(&self) -> String {
        let mut yaml = "sensor_type: imap\nimap:\n".to_owned();
        let mut line = |indent: &str, key: &str, value: &dyn ToString| {
            writeln!(yaml, "{indent}{key}: {}", value.to_string()).unwrap();
        };
        let text = |value: &str| serde_json::Value::from(value);
        let path = |value: &Path| serde_json::Value::from(value.to_str().unwrap());
        line("  ", "server", &text(&self.server));
        line("  ", "username", &text(&self.username));
        line("  ", "password", &text(&self.password));
        if let Some(inbox_name) = &self.inbox_name {
            line("  ", "inbox_name", &text(inbox_name));
        }
        if !self.inbox_names.is_empty() {
            line("  ", "inbox_names", &serde_json::Value::from(self.inbox_names.clone()));
        }
        if let Some(max_connections) = self.max_connections {
            line("  ", "max_connections", &max_connections);
        }
        line("  ", "is_insecure", &self.is_insecure);
        line("  ", "from_zero", &self.from_zero);
        line("  ", "ca_file", &path(&self.ca_file));
        line("  ", "state_dir", &path(&self.state_dir));
        line("  ", "client_options", &"");
        line("    ", "platform", &self.platform);
        line("    ", "hostname", &"collector");
        line("    ", "identity", &"");
        line("      ", "oid", &"8cbe27f4-bfa1-4afb-ba19-138cd51389cd");
        line("      ", "installation_key", &INSTALLATION_KEY);
        line("    ", "dest_url", &text(&self.dest_url));
        // Each where it has an effect: with the other, the program says that it has none.
        if self.lc_secret.is_empty() {
            line("    ", "sensor_seed_key", &"seed");
        } else {
            line("    ", "lc_secret", &text(&self.lc_secret));
        }
        for option in &self.more_options {
            writeln!(yaml, "    {option}").unwrap();
        }
        for setting in &self.more {
            writeln!(yaml, "  {setting}").unwrap();
        }
        yaml
    }
}

/// The program at work; killed when it is dropped.
pub struct Collector {
    child: Child,
    output: Arc<Watched<Output>>,
}

#[derive(Default)]
struct Output {
    lines: Vec<String>,
    open_streams: usize,
}

impl Collector {
    /// Starts `mailtap imap FILE`; `command` is the program and what comes before these arguments.
    pub fn start(mut command: Command, configuration_file: &Path) -> Collector {
        command.arg("imap").arg(configuration_file);
        Collector::run(command)
    }

    /// Starts `command` as it is.
    pub fn run(mut command: Command) -> Collector {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new(Watched::new(Output {
            lines: Vec::new(),
            open_streams: 2,
        }));
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        collect(BufReader::new(stdout), Arc::clone(&output));
        collect(BufReader::new(stderr), Arc::clone(&output));
        Collector { child, output }
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Every line that the program has printed, on both streams.
    pub fn lines(&self) -> Vec<String> {
        self.output.look(|output| output.lines.clone())
    }

    /// Waits for a line that holds every one of `words`, and returns it.
    pub fn wait_for_line(&self, words: &[&str]) -> String {
        let found = |output: &Output| {
            let line = output
                .lines
                .iter()
                .find(|line| words.iter().all(|word| line.contains(word)))
                .cloned();
            (line.is_some() || output.open_streams == 0).then_some(line)
        };
        self.output
            .wait_at_most(super::PATIENCE, found)
            .flatten()
            .unwrap_or_else(|| panic!("no line with {words:?} in:\n{}", self.lines().join("\n")))
    }

    /// SIGKILL: no chance to say or save anything.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.wait();
        self.lines()
    }

    /// SIGTERM, and what the program made of it.
    pub fn terminate(self) -> (ExitStatus, Vec<String>) {
        self.ask_to_stop();
        self.ends()
    }

    /// SIGTERM. By the shell's own `kill`: the program of that name is a package of its own, and the standard library
    /// knows only SIGKILL.
    pub fn ask_to_stop(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the program has ended.
    pub fn ends(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.wait();
        (status, self.lines())
    }

    /// Waits for the end of both streams, then for the process, so that nothing it printed is missed.
    fn wait(&mut self) -> ExitStatus {
        let ended = self
            .output
            .wait_at_most(super::PATIENCE, |output| (output.open_streams == 0).then_some(()));
        assert!(
            ended.is_some(),
            "the program does not end; it said:\n{}",
            self.lines().join("\n")
        );
        self.child.wait().unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let lines = self.lines();
        if thread::panicking() {
            println!("the program said:\n{}", lines.join("\n"));
        } else {
            no_secret_in(lines.join("\n").as_bytes());
        }
    }
}

fn collect(stream: impl BufRead + Send + 'static, output: Arc<Watched<Output>>) {
    thread::spawn(move || {
        for line in stream.lines().map_while(Result::ok) {
            output.change(|output| output.lines.push(line));
        }
        output.change(|output| output.open_streams -= 1);
    });
}
