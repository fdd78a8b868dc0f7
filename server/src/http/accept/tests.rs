use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::routing::{get, post};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::tls::Identity;

/// Long enough not to matter in a test.
const LONG: Duration = Duration::from_secs(60);
/// Short enough to be waited for.
const SHORT: Duration = Duration::from_millis(300);
/// A cut is expected after `SHORT` and well before this, even on a busy machine.
const SOON: Duration = Duration::from_secs(4);

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const HALF_A_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: local";

fn patient() -> AcceptLimits {
    AcceptLimits {
        connections_max: 8,
        handshake_timeout: LONG,
        header_timeout: LONG,
        request_timeout: LONG,
        idle_timeout: LONG,
        linger_timeout: SHORT,
        header_bytes_max: HEADER_BYTES_MAX,
    }
}

struct Story {
    address: SocketAddr,
    connector: TlsConnector,
    requests_count: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<ServeReport>>,
    _dir: tempfile::TempDir,
}

impl Story {
    async fn start(limits: AcceptLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(dir.path(), &[]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(identity.ca_der().unwrap().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let requests_count = Arc::new(AtomicUsize::new(0));
        let app = app(Arc::clone(&requests_count));
        let server = tokio::spawn(serve(
            listener,
            identity.server_config(),
            app,
            limits,
            Arc::default(),
            async move { stopped.await.unwrap_or(()) },
        ));
        let connector = TlsConnector::from(Arc::new(client));
        Self {
            address,
            connector,
            requests_count,
            stop,
            server,
            _dir: dir,
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap()
    }

    fn requests_count(&self) -> usize {
        self.requests_count.load(Ordering::SeqCst)
    }

    async fn end(self) -> ServeReport {
        self.stop.send(()).unwrap();
        timeout(SOON, self.server)
            .await
            .expect("the server stops")
            .unwrap()
            .unwrap()
    }
}

fn app(requests_count: Arc<AtomicUsize>) -> Router {
    let index = move || {
        requests_count.fetch_add(1, Ordering::SeqCst);
        async { "chao" }
    };
    Router::new()
        .route("/", get(index))
        .route(
            "/body",
            post(|body: String| async move { body.len().to_string() }),
        )
        .route(
            "/slow",
            get(|| async {
                sleep(SHORT).await;
                "late"
            }),
        )
        .route(
            "/early",
            post(|| async { (StatusCode::PAYLOAD_TOO_LARGE, "too much") }),
        )
        .route("/large", get(|| async { vec![7_u8; 32 * 1024 * 1024] }))
        .route("/panic", get(panics))
        .route("/known", get(known))
}

/// Somebody who is known, with a request that never ends.
async fn known(axum::Extension(peer): axum::Extension<Peer>) {
    peer.is_known();
    std::future::pending::<()>().await;
}

async fn panics() -> &'static str {
    sleep(Duration::from_millis(1)).await;
    panic!("a handler of the test panics, as planned");
}

/// Reads until the text holds `until`.
async fn read_until(stream: &mut TlsStream<TcpStream>, until: &str) -> String {
    let mut text = String::new();
    let mut chunk = [0; 1024];
    while !text.contains(until) {
        let count = timeout(SOON, stream.read(&mut chunk))
            .await
            .expect("bytes")
            .unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
    }
    text
}

/// Waits for the end of the stream and returns what came before. A cut without a farewell is
/// an end too.
async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _end = timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes");
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn two_requests_on_a_connection_and_no_date() {
    let story = Story::start(patient()).await;
    let mut stream = story.connect().await;
    for _ in 0..2 {
        stream.write_all(GET).await.unwrap();
        let answer = read_until(&mut stream, "chao").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(!answer.to_lowercase().contains("date:"), "{answer}");
        assert!(answer.contains("content-length: 4\r\n"), "{answer}");
    }
    assert_eq!(story.requests_count(), 2);
    let report = story.end().await;
    let expected = ServeReport {
        accepted_count: 1,
        closed_count: 1,
        ..Default::default()
    };
    assert_eq!(report, expected);
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_slow_head_is_cut_even_if_bytes_trickle() {
    let story = Story::start(AcceptLimits {
        header_timeout: SHORT,
        ..patient()
    })
    .await;
    let (mut reader, mut writer) = tokio::io::split(story.connect().await);
    let started = Instant::now();
    let trickle = tokio::spawn(async move {
        for byte in HALF_A_HEAD.iter().cycle() {
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                return;
            }
            sleep(SHORT / 6).await;
        }
    });
    assert_eq!(read_to_end(&mut reader).await, "");
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    trickle.abort();
    assert_eq!(story.requests_count(), 0);
    assert_eq!(story.end().await.timed_out_count, 1);
}

#[tokio::test]
async fn the_second_head_has_the_same_limit_but_idling_has_not() {
    let story = Story::start(AcceptLimits {
        header_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut stream = story.connect().await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "chao").await;
    sleep(SHORT * 2).await;
    stream
        .write_all(GET)
        .await
        .expect("idle for longer than a head may take");
    read_until(&mut stream, "chao").await;
    stream.write_all(HALF_A_HEAD).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(story.end().await.timed_out_count, 1);
}

#[tokio::test]
async fn an_idle_connection_is_cut() {
    let story = Story::start(AcceptLimits {
        idle_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut stream = story.connect().await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "chao").await;
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(story.end().await.timed_out_count, 1);
}

#[tokio::test]
async fn a_megabyte_of_head_is_refused_and_eight_kilobytes_are_not() {
    let story = Story::start(patient()).await;
    let head = |bytes| {
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    let mut stream = story.connect().await;
    stream.write_all(head(8 * 1024).as_bytes()).await.unwrap();
    assert!(
        read_until(&mut stream, "chao")
            .await
            .starts_with("HTTP/1.1 200")
    );

    let (mut reader, mut writer) = tokio::io::split(story.connect().await);
    let large = head(1024 * 1024);
    // The server closes before it took all of it, so the write may well fail.
    let write = tokio::spawn(async move { writer.write_all(large.as_bytes()).await });
    let answer = read_to_end(&mut reader).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    write.abort();
    assert_eq!(
        story.requests_count(),
        1,
        "only the small one reached the handler"
    );
    assert_eq!(story.end().await.closed_count, 2);
}

#[tokio::test]
async fn a_stuck_handshake_is_cut() {
    let story = Story::start(AcceptLimits {
        handshake_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut stream = TcpStream::connect(story.address).await.unwrap();
    stream.write_all(&[22, 3, 1]).await.unwrap(); // the beginning of a record
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(story.end().await.handshakes_failed_count, 1);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let story = Story::start(AcceptLimits {
        request_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut stream = story.connect().await;
    let head = b"POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nhalf";
    stream.write_all(head).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    story.end().await;
}

#[tokio::test]
async fn who_speaks_plain_http_is_told_to_speak_tls() {
    let story = Story::start(patient()).await;
    for asked in [GET, b"POST /body HTTP/1.1\r\n", b"h"] {
        let mut stream = TcpStream::connect(story.address).await.unwrap();
        stream.write_all(asked).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.ends_with("before the address\n"), "{answer}");
    }
    assert_eq!(story.requests_count(), 0);
    let report = story.end().await;
    // A stop may come between the answer and the peer's own end.
    let ended_count = report.handshakes_failed_count + report.closed_count;
    assert_eq!((report.accepted_count, ended_count), (3, 3));
}

#[tokio::test]
async fn who_says_nothing_or_no_http_is_told_nothing() {
    let story = Story::start(AcceptLimits {
        handshake_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut silent = TcpStream::connect(story.address).await.unwrap();
    assert_eq!(read_to_end(&mut silent).await, "");
    let mut other = TcpStream::connect(story.address).await.unwrap();
    other.write_all(&[0x05, 0x01, 0x00]).await.unwrap();
    let mut bytes = Vec::new();
    let _end = timeout(SOON, other.read_to_end(&mut bytes)).await.unwrap();
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    assert_eq!(story.end().await.handshakes_failed_count, 2);
}

/// Sends a chunked body, all of it before it reads anything, and gives what came back.
async fn send_then_read(story: &Story, megabytes: usize) -> (io::Result<()>, String) {
    let mut stream = story.connect().await;
    let head = b"POST /early HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[7; 0x1_0000], b"\r\n"].concat();
    let mut sent = Ok(());
    for _ in 0..megabytes * 16 {
        sent = stream.write_all(&chunk).await;
        if sent.is_err() {
            break;
        }
    }
    (sent, read_to_end(&mut stream).await)
}

#[tokio::test]
async fn who_is_still_sending_gets_to_read_the_answer() {
    let story = Story::start(AcceptLimits {
        linger_timeout: SOON,
        ..patient()
    })
    .await;
    let (sent, answer) = send_then_read(&story, 8).await;
    sent.expect("what comes after the answer is taken and thrown away");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.ends_with("too much"), "{answer}");
    assert_eq!(story.end().await.closed_count, 1);
}

#[tokio::test]
async fn who_never_stops_sending_is_cut() {
    let story = Story::start(AcceptLimits {
        linger_timeout: LONG,
        ..patient()
    })
    .await;
    let megabytes = 2 * LINGER_BYTES_MAX / (1024 * 1024);
    let (sent, _) = timeout(LONG / 2, send_then_read(&story, megabytes))
        .await
        .expect("cut by its bytes, before its time");
    assert!(sent.is_err(), "{megabytes} megabytes were taken");
    assert_eq!(story.end().await.closed_count, 1);
}

#[tokio::test]
async fn an_answer_nobody_takes_is_cut() {
    let story = Story::start(AcceptLimits {
        request_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut stream = story.connect().await;
    stream
        .write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    sleep(SHORT * 5).await;
    let mut bytes = Vec::new();
    let _end = timeout(SOON, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes");
    assert!(bytes.len() < 32 * 1024 * 1024, "{}", bytes.len());
    assert_eq!(story.end().await.timed_out_count, 1);
}

#[tokio::test]
async fn a_panic_stays_in_its_connection() {
    let story = Story::start(patient()).await;
    let mut other = story.connect().await;
    let mut stream = story.connect().await;
    stream
        .write_all(b"GET /panic HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    other.write_all(GET).await.unwrap();
    read_until(&mut other, "chao").await;
    assert_eq!(story.end().await.panicked_count, 1);
}

#[tokio::test]
async fn when_full_a_stranger_gives_way() {
    let story = Story::start(AcceptLimits {
        connections_max: 1,
        ..patient()
    })
    .await;
    let mut first = story.connect().await;
    first.write_all(GET).await.unwrap();
    read_until(&mut first, "chao").await;
    let mut second = timeout(SOON, story.connect()).await.expect("room is made");
    second.write_all(GET).await.unwrap();
    read_until(&mut second, "chao").await;
    assert_eq!(read_to_end(&mut first).await, "");
    let report = story.end().await;
    assert_eq!((report.accepted_count, report.gave_way_count), (2, 1));
}

#[tokio::test]
async fn when_full_of_known_ones_at_work_the_next_connection_waits() {
    let story = Story::start(AcceptLimits {
        connections_max: 1,
        ..patient()
    })
    .await;
    let mut first = story.connect().await;
    let known = b"GET /known HTTP/1.1\r\nhost: localhost\r\n\r\n";
    first.write_all(known).await.unwrap();
    sleep(SHORT / 3).await;
    let mut second = Box::pin(story.connect());
    assert!(
        timeout(SHORT, &mut second).await.is_err(),
        "no handshake while full"
    );
    drop(first);
    let mut second = timeout(SOON, second).await.expect("room came free");
    second.write_all(GET).await.unwrap();
    read_until(&mut second, "chao").await;
    let report = story.end().await;
    assert_eq!((report.accepted_count, report.gave_way_count), (2, 0));
}

#[tokio::test]
async fn a_running_request_outlives_the_shutdown() {
    let story = Story::start(patient()).await;
    let mut stream = story.connect().await;
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    sleep(SHORT / 3).await;
    let address = story.address;
    let report = story.end().await;
    assert_eq!((report.closed_count, report.cut_at_shutdown_count), (1, 0));
    let answer = read_to_end(&mut stream).await;
    assert!(answer.ends_with("late"), "{answer}");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn what_outlives_the_grace_is_cut_and_counted() {
    let mut tasks = JoinSet::new();
    tasks.spawn(async { Ended::Closed });
    tasks.spawn(std::future::pending());
    let mut report = ServeReport::default();
    drain(tasks, SHORT, &mut report).await;
    assert_eq!((report.closed_count, report.cut_at_shutdown_count), (1, 1));
}

#[test]
fn only_a_broken_listener_ends_the_loop() {
    let after = |errno| AfterAcceptError::of(&io::Error::from_raw_os_error(errno));
    let (econnaborted, emfile, enfile, enobufs, einval) = (103, 24, 23, 105, 22);
    assert_eq!(after(econnaborted), AfterAcceptError::Again);
    for errno in [emfile, enfile, enobufs] {
        assert_eq!(after(errno), AfterAcceptError::Pause, "{errno}");
    }
    assert_eq!(after(einval), AfterAcceptError::Stop);
}
