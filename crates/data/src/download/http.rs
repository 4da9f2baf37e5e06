//! One GET, whose failures are words.

use std::io::Read;
use std::time::Duration;
use ureq::Error;
use ureq::http::{HeaderMap, Uri, header};

const CONNECT: Duration = Duration::from_secs(20);
/// The longest time without a byte.
const STALLED: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
const REDIRECTS: u32 = 5;

const OFFLINE: &str = "the host is not found (is this machine online?)";

/// What a server sends.
pub(super) struct Response {
    /// From which byte of the file on.
    pub(super) start: u64,
    /// Bytes to come, if it says how many.
    pub(super) length: Option<u64>,
    pub(super) body: Box<dyn Read>,
}

/// Asks for the file from byte `start` on. The server may send it from its beginning instead.
pub(super) fn get(url: &str, start: u64) -> Result<Response, String> {
    let uri: Uri = url.parse().map_err(|e| format!("this is no address: {e}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the address must begin with https:// or http://".into());
    }
    // A proxy cannot reach what this machine alone can.
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    // A limit on looking the host up takes a thread, which not every system gives.
    let thread = std::thread::Builder::new().spawn(|| ()).is_ok_and(|thread| thread.join().is_ok());
    let mut config = ureq::Agent::config_builder()
        .user_agent(concat!("striate/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .https_only(uri.scheme_str() == Some("https"))
        .max_redirects(REDIRECTS)
        .timeout_resolve(thread.then_some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(STALLED))
        .timeout_per_read(Some(STALLED));
    if here {
        config = config.proxy(None);
    }
    let agent = config.build().new_agent();
    let mut request = agent.get(uri);
    if start > 0 {
        request = request.header(header::RANGE, format!("bytes={start}-"));
    }
    let response = request.call().map_err(reason)?;
    let status = response.status();
    match status.as_u16() {
        206 if range_start(response.headers()) == Some(start) => {}
        200 => return Ok(answer(response, 0)),
        // What is here already may be longer than the file is now.
        206 | 416 if start > 0 => return get(url, 0),
        _ => {
            let meaning = status.canonical_reason().map_or(String::new(), |words| format!(" ({words})"));
            return Err(format!("the server answers {}{meaning}", status.as_u16()));
        }
    }
    Ok(answer(response, start))
}

fn answer(response: ureq::http::Response<ureq::Body>, start: u64) -> Response {
    let body = response.into_body();
    Response { start, length: body.content_length(), body: Box::new(body.into_with_config().limit(u64::MAX).reader()) }
}

/// 5 of `Content-Range: bytes 5-9/10`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// What went wrong, in words.
pub(super) fn reason(error: Error) -> String {
    match error {
        Error::HostNotFound => OFFLINE.into(),
        Error::Timeout(_) => "the server does not answer in time".into(),
        Error::TooManyRedirects => format!("the server redirects more than {REDIRECTS} times"),
        Error::RequireHttpsOnly(to) => format!("the server redirects to {to}, which is not encrypted"),
        Error::Io(e) if e.kind() == std::io::ErrorKind::TimedOut => "the server does not answer in time".into(),
        // The standard library has no kind for it.
        Error::Io(e) if e.to_string().contains("lookup address") => OFFLINE.into(),
        Error::Io(e) => e.to_string(),
        e => e.to_string(),
    }
}
