//! A real web server stands between the program and the receiver, as most receivers have one: nginx and haproxy, which
//! close connections after a few requests, refuse large ones early, and answer for a receiver that does not.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::PATIENCE;
use crate::support::certificates;
use crate::support::folder::Folder;
use crate::support::port;
use crate::support::shared::in_ci;
use crate::{ReceiverFault, Stage, ends_well, receiver};

/// A request of more bytes is refused: less than what 60 mails of [`crate::mail`] come to.
const MOST_BYTES: usize = 16 * 1024;

#[test]
fn nginx_closes_refuses_and_answers_for_the_receiver_and_nothing_is_lost() {
    lets_everything_through("/usr/sbin/nginx", |folder, [port, receiver]| {
        let certificates = certificates::folder();
        let certificates = certificates.display();
        let base = folder.path().display();
        let configuration = format!(
            "daemon off; pid {base}/pid; error_log {base}/errors; events {{}}
http {{
  log_format status '$status'; access_log {base}/statuses status;
  client_body_temp_path {base}/body; proxy_temp_path {base}/proxy; fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi; scgi_temp_path {base}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificates}/server.pem; ssl_certificate_key {certificates}/server_key.pem;
    keepalive_requests 3; client_max_body_size {MOST_BYTES};
    location / {{
      proxy_pass http://127.0.0.1:{receiver}; proxy_read_timeout 1s; proxy_next_upstream off;
      proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection \"\";
    }}
  }}
}}"
        );
        let mut nginx = Command::new("/usr/sbin/nginx");
        nginx.arg("-c").arg(folder.write("nginx.conf", configuration));
        nginx.arg("-e").arg(folder.path().join("errors"));
        nginx
    });
}

#[test]
fn haproxy_closes_refuses_and_answers_for_the_receiver_and_nothing_is_lost() {
    lets_everything_through("/usr/sbin/haproxy", |folder, [port, receiver]| {
        let pem = ["server.pem", "server_key.pem"].map(|file| fs::read(certificates::folder().join(file)).unwrap());
        let pem = folder.write("both.pem", pem.concat());
        let configuration = format!(
            "global
  log stdout format raw local0
defaults
  mode http
  log global
  log-format %ST
  option httpclose
  timeout connect 5s
  timeout client 30s
  timeout server 1s
frontend front
  bind 127.0.0.1:{port} ssl crt {}
  http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt {MOST_BYTES} }}
  default_backend back
backend back
  server receiver 127.0.0.1:{receiver}
",
            pem.display()
        );
        let mut haproxy = Command::new("/usr/sbin/haproxy");
        haproxy.arg("-f").arg(folder.write("haproxy.cfg", configuration));
        haproxy
    });
}

fn lets_everything_through(program: &str, command: impl Fn(&Folder, [u16; 2]) -> Command) {
    if !Path::new(program).exists() {
        assert!(!in_ci(), "{program} is not on this machine");
        println!("skipped: {program} is not on this machine");
        return;
    }
    let settings = receiver::Settings {
        certificate: None,
        ..receiver::Settings::default()
    };
    let mut stage = Stage::with(crate::imap_server::Settings::default(), settings);
    let folder = Folder::new("gateway");
    let port = port::reserve();
    let (before, path) = stage
        .receiver
        .url()
        .rsplit_once("/hook")
        .map(|(before, path)| (before.to_owned(), format!("/hook{path}")))
        .unwrap();
    let receiver: u16 = before.rsplit_once(':').unwrap().1.parse().unwrap();
    stage.configuration.dest_url = format!("https://localhost:{port}{path}");
    let gateway = Gateway::start(command(&folder, [port, receiver]), &folder, port);

    let mut uids = stage.deliver(60);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    for fault in [
        ReceiverFault::CloseBeforeStoring,
        ReceiverFault::NoAnswer,
        ReceiverFault::CloseAfterStoring,
    ] {
        stage.receiver.misbehave_once(fault);
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
    }
    for _ in 0..5 {
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
    }
    stage.wait_for_idle();
    ends_well(collector);
    let statuses = gateway.statuses(&folder);
    for status in ["200", "413", "502", "504"] {
        assert!(statuses.contains(status), "no {status} among {statuses:?}");
    }
}

struct Gateway(Child);

impl Gateway {
    fn start(mut command: Command, folder: &Folder, port: u16) -> Gateway {
        let output = File::options()
            .append(true)
            .create(true)
            .open(folder.path().join("statuses"))
            .unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            assert!(began.elapsed() < PATIENCE, "it does not listen");
            std::thread::yield_now();
        }
        Gateway(child)
    }

    /// The statuses that it has answered with.
    fn statuses(mut self, folder: &Folder) -> BTreeSet<String> {
        self.end();
        let lines = fs::read_to_string(folder.path().join("statuses")).unwrap();
        lines.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// SIGTERM, so that it takes its own children along.
    fn end(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let kill = format!("kill -TERM {}", self.0.id());
            let _ = Command::new("sh").args(["-c", &kill]).status();
            let _ = self.0.wait();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}
