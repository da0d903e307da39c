//! Uploads: multipart/form-data with a part `data` and a part `image` (section 4.6).

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::answer::Refusal;

/// An image as it came in.
#[derive(Debug, Clone, Default)]
pub(super) struct Upload {
    pub(super) data: Map<String, Value>,
    pub(super) filename: String,
    pub(super) bytes: Vec<u8>,
}

/// One part: its name, its file name and what it holds.
type Part<'a> = (String, Option<String>, &'a [u8]);

impl Upload {
    pub(super) fn parse(headers: &HeaderMap, body: &[u8], any_order: bool) -> Result<Self, Refusal> {
        let bad =
            || Refusal::bad("An Image is uploaded as multipart/form-data with the parts data and image.");
        let parts = parts(headers, body).ok_or_else(bad)?;
        let at = |wanted: &str| parts.iter().position(|(name, _, _)| name == wanted);
        let file_at = at("image").ok_or_else(bad)?;
        let data_at = at("data").ok_or_else(bad)?;
        if data_at > file_at && !any_order {
            return Err(Refusal::bad("The part data must come before the part image."));
        }
        let (Some((_, _, data)), Some((_, filename, bytes))) = (parts.get(data_at), parts.get(file_at))
        else {
            return Err(bad());
        };
        let Ok(Value::Object(data)) = serde_json::from_slice(data) else {
            return Err(Refusal::bad("The part data could not be parsed."));
        };
        let filename = filename.clone().ok_or_else(bad)?;
        Ok(Self { data, filename, bytes: bytes.to_vec() })
    }
}

fn parts<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, rest) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(rest, "boundary").filter(|boundary| !boundary.is_empty())?;
    let mark = format!("--{boundary}");
    let end = format!("\r\n{mark}");
    let mut rest = body.get(find(body, mark.as_bytes())? + mark.len()..)?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let length = find(part, end.as_bytes())?;
        let (held, after) = part.split_at_checked(length)?;
        let gap = find(held, b"\r\n\r\n")?;
        let (head, content) = (held.get(..gap)?, held.get(gap + 4..)?);
        let head = std::str::from_utf8(head).ok()?;
        let disposition = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        })?;
        let (_, disposition) = disposition.split_once(';')?;
        let name = parameter(disposition, "name")?;
        parts.push((name, parameter(disposition, "filename"), content));
        rest = after.get(end.len()..)?;
    }
    // What has no closing mark was cut off on its way.
    rest.starts_with(b"--").then_some(parts)
}

/// A parameter of a header, quoted or not.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    text.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
