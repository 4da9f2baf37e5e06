//! A server that does as it is told.

use super::*;
use std::fmt::Write as _;
use std::io::BufRead;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

type Requests = Arc<Mutex<Vec<String>>>;

struct Server {
    address: String,
    requests: Requests,
}

impl Server {
    /// Each connection is one request.
    fn start(answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Requests::default();
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, seen, answer) = (stream.unwrap(), seen.clone(), answer.clone());
                thread::spawn(move || {
                    let mut request = String::new();
                    let mut lines = io::BufReader::new(stream.try_clone().unwrap());
                    while !request.ends_with("\r\n\r\n") && lines.read_line(&mut request).unwrap() > 0 {}
                    seen.lock().unwrap().push(request.to_lowercase());
                    let _ = answer(&request.to_lowercase(), &mut stream);
                });
            }
        });
        Server { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn url(&self) -> String {
        format!("{}/models/w.pth", self.address)
    }
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)
}

fn whole(stream: &mut TcpStream, data: &[u8]) -> io::Result<()> {
    send(stream, "200 OK", &format!("Content-Length: {}\r\n", data.len()), data)
}

fn asked_from(request: &str) -> Option<usize> {
    request.split("range: bytes=").nth(1)?.split('-').next()?.parse().ok()
}

/// Answers as most servers do, the requested range included.
fn serve(request: &str, stream: &mut TcpStream, data: &[u8]) -> io::Result<()> {
    match asked_from(request) {
        None => whole(stream, data),
        Some(from) if from >= data.len() => send(stream, "416 Range Not Satisfiable", "Content-Length: 0\r\n", b""),
        Some(from) => {
            let (n, last) = (data.len(), data.len() - 1);
            let headers = format!("Content-Length: {}\r\nContent-Range: bytes {from}-{last}/{n}\r\n", n - from);
            send(stream, "206 Partial Content", &headers, &data[from..])
        }
    }
}

fn data() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(data: &[u8]) -> String {
    Sha256::digest(data).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { root: tempfile::tempdir().unwrap() }
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join("cache/weights")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.directory()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn fetch(&self, url: &str, sha256: &str) -> Result<PathBuf, DownloadError> {
        download(&RemoteFile { url, file: "w.pth", sha256, limit: 400_000 }, &self.directory(), &|_, _| {})
    }

    /// It comes, as a whole, and nothing else stays.
    fn succeed(&self, url: &str) {
        let path = self.fetch(url, &sha256(&data())[..8]).unwrap();
        assert!(path == self.path("w.pth") && fs::read(path).unwrap() == data());
        assert!(!self.path("w.pth.part").exists());
    }

    /// It fails with one line that names the address, the file and its place.
    fn fail(&self, url: &str, parts: &[&str]) {
        let text = self.fetch(url, &sha256(&data())[..8]).unwrap_err().to_string();
        let place = format!("put w.pth into {}/", self.directory().display());
        for part in [url, &place].iter().chain(parts) {
            assert!(text.contains(part), "'{part}' is not in: {text}");
        }
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn a_file_comes_once() {
    let (place, server) = (Place::new(), Server::start(|r, s| serve(r, s, &data())));
    let heard = Mutex::new(Vec::new());
    let (url, sum) = (server.url(), sha256(&data()));
    let remote = RemoteFile { url: &url, file: "w.pth", sha256: &sum, limit: 300_000 };
    assert!(cached("w.pth", &sum, &place.directory()).unwrap().is_none());
    download(&remote, &place.directory(), &|done, total| heard.lock().unwrap().push((done, total))).unwrap();
    let heard = heard.into_inner().unwrap();
    assert!(heard.is_sorted() && heard.first() == Some(&(0, 300_000)) && heard.last() == Some(&(300_000, 300_000)));
    place.succeed(&url);
    assert_eq!(cached("w.pth", &sum, &place.directory()).unwrap(), Some(place.path("w.pth")));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("get /models/w.pth http/1.1") && !requests[0].contains("range:"), "{requests:?}");
}

#[test]
fn a_broken_download_goes_on() {
    let (place, broken) = (Place::new(), Mutex::new(true));
    let server = Server::start(move |request, stream| {
        if std::mem::take(&mut *broken.lock().unwrap()) {
            return send(stream, "200 OK", "Content-Length: 300000\r\n", &data()[..100_000]);
        }
        serve(request, stream, &data())
    });
    place.fail(&server.url(), &["after 100000 of 300000 bytes: another attempt goes on from there"]);
    assert_eq!(fs::read(place.path("w.pth.part")).unwrap(), data()[..100_000]);
    assert!(!place.path("w.pth").exists());
    place.succeed(&server.url());
    assert!(server.requests()[1].contains("range: bytes=100000-"));
}

#[test]
fn a_server_may_ignore_the_range() {
    let place = Place::new();
    place.put("w.pth.part", &data()[..99]);
    let server = Server::start(|_, stream| whole(stream, &data()));
    place.succeed(&server.url());
    assert!(server.requests().len() == 1 && server.requests()[0].contains("range: bytes=99-"));
}

#[test]
fn a_server_may_send_another_range() {
    let place = Place::new();
    place.put("w.pth.part", &data()[..99]);
    let server = Server::start(|request, stream| match asked_from(request) {
        Some(_) => send(
            stream,
            "206 Partial Content",
            "Content-Length: 2\r\nContent-Range: bytes 0-1/300000\r\n",
            &data()[..2],
        ),
        None => whole(stream, &data()),
    });
    place.succeed(&server.url());
}

#[test]
fn what_is_too_long_or_wrong_is_thrown_away() {
    for part in [vec![7; 300_001], vec![7; 5000], vec![7; 400_000], vec![7; 500_000]] {
        let (place, server) = (Place::new(), Server::start(|r, s| serve(r, s, &data())));
        place.put("w.pth.part", &part);
        place.succeed(&server.url());
        let resumed = part.len() < 400_000;
        assert_eq!(server.requests().len(), 1 + resumed as usize, "{}", part.len());
        assert!(!server.requests().last().unwrap().contains("range:"));
    }
}

#[test]
fn what_was_only_not_renamed_needs_no_server() {
    let place = Place::new();
    place.put("w.pth.part", &data());
    place.succeed("http://127.0.0.1:1/w.pth");
}

#[test]
fn another_file_is_not_kept() {
    let (place, server) = (Place::new(), Server::start(|_, stream| whole(stream, b"<html>Log in first</html>")));
    let (expected, got) = (&sha256(&data())[..8], &sha256(b"<html>Log in first</html>")[..8]);
    place.fail(&server.url(), &["another file", &format!("is {got}, expected {expected}")]);
    assert!(!place.path("w.pth").exists() && !place.path("w.pth.part").exists());
}

#[test]
fn a_damaged_file_is_fetched_again() {
    let (place, server) = (Place::new(), Server::start(|r, s| serve(r, s, &data())));
    let mut bytes = data();
    bytes[299_999] ^= 1;
    place.put("w.pth", &bytes);
    place.fail("http://127.0.0.1:1/w.pth", &["the file that is there is another one or damaged"]);
    assert_eq!(fs::read(place.path("w.pth")).unwrap(), bytes);
    place.succeed(&server.url());
}

#[test]
fn answers_that_are_no_file_are_named() {
    for (status, words) in [
        ("404 Not Found", "the server answers 404 (Not Found)"),
        ("503 Service Unavailable", "503"),
        ("416 Range Not Satisfiable", "416"),
        ("204 No Content", "204"),
        ("304 Not Modified", "304"),
    ] {
        let (place, server) = (Place::new(), Server::start(move |_, s| send(s, status, "Content-Length: 0\r\n", b"")));
        place.fail(&server.url(), &[words]);
        assert!(!place.path("w.pth").exists());
    }
    let place = Place::new();
    place.fail("http://127.0.0.1:1/w.pth", &["refused"]);
    place.fail("http://nowhere.invalid/w.pth", &["the host is not found"]);
    place.fail("ftp://127.0.0.1/w.pth", &["https://"]);
    for address in ["w.pth", "http://", "http:// /w.pth", "http://127.0.0.1:99999/w.pth"] {
        place.fail(address, &[]);
    }
    let nonsense = Server::start(|_, stream| stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"));
    place.fail(&nonsense.url(), &[]);
    let silent = Server::start(|_, _| Ok(()));
    place.fail(&silent.url(), &[]);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let server = Server::start(|request, stream| match request.contains("/real.pth") {
        true => serve(request, stream, &data()),
        false => send(stream, "302 Found", "Location: /real.pth\r\nContent-Length: 0\r\n", b""),
    });
    let place = Place::new();
    place.put("w.pth.part", &data()[..1000]);
    place.succeed(&server.url());
    assert!(server.requests()[1].contains("range: bytes=1000-"));
    let circle = Server::start(|_, s| send(s, "302 Found", "Location: /models/w.pth\r\nContent-Length: 0\r\n", b""));
    Place::new().fail(&circle.url(), &["redirects more than 5 times"]);
}

#[test]
fn a_server_that_stalls_is_left() {
    let began = Instant::now();
    let server = Server::start(|_, stream| {
        send(stream, "200 OK", "Content-Length: 300000\r\n", &data()[..1000])?;
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let place = Place::new();
    place.fail(&server.url(), &["does not answer in time after 1000 of 300000 bytes"]);
    let mute = Server::start(|_, _| {
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    place.fail(&mute.url(), &["does not answer in time"]);
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(fs::read(place.path("w.pth.part")).unwrap(), data()[..1000]);
}

#[test]
fn a_slow_server_is_not_left() {
    let server = Server::start(|_, stream| {
        send(stream, "200 OK", "Content-Length: 300000\r\n", b"")?;
        data().chunks(60_000).try_for_each(|part| {
            thread::sleep(Duration::from_millis(500));
            stream.write_all(part)
        })
    });
    Place::new().succeed(&server.url());
}

#[test]
fn what_is_too_large_is_refused() {
    let place = Place::new();
    let said = Server::start(|_, stream| send(stream, "200 OK", "Content-Length: 9000000000\r\n", b"x"));
    place.fail(&said.url(), &["9000000000 bytes", "at most 400000"]);
    let endless = Server::start(|_, stream| {
        send(stream, "200 OK", "Transfer-Encoding: chunked\r\n", b"")?;
        loop {
            stream.write_all(format!("{:x}\r\n", 50_000).as_bytes())?;
            stream.write_all(&data()[..50_000])?;
            stream.write_all(b"\r\n")?;
        }
    });
    place.fail(&endless.url(), &["at most 400000"]);
    assert!(!place.path("w.pth.part").exists() && !place.path("w.pth").exists());
}

#[test]
fn a_length_need_not_be_said() {
    let closes = Server::start(|_, stream| send(stream, "200 OK", "", &data()));
    Place::new().succeed(&closes.url());
}

#[test]
fn of_several_one_fetches() {
    let server = Server::start(|_, stream| {
        send(stream, "200 OK", "Content-Length: 300000\r\n", &data()[..150_000])?;
        thread::sleep(Duration::from_millis(600));
        stream.write_all(&data()[150_000..])
    });
    let place = Place::new();
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| place.succeed(&server.url())))));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let place = Place::new();
    fs::write(place.root.path().join("cache"), b"a file").unwrap();
    let text = place.fetch("http://127.0.0.1:1/w.pth", "00000000").unwrap_err().to_string();
    assert!(text.contains("cache") && text.contains("STRIATE_CACHE_DIR can name another directory"), "{text}");
}
