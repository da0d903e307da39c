//! Writes down which operation has answered with which status, for `tests/statuses.rs`.

use std::fs::File;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

/// A file of its own for each process that tests.
static BOOK: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    let folder = std::path::PathBuf::from(std::env::var_os("CONCORD_TEST_STATUSES")?);
    std::fs::create_dir_all(&folder).unwrap();
    Some(Mutex::new(File::create(folder.join(std::process::id().to_string())).unwrap()))
});

pub async fn note(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if let Some(book) = &*BOOK {
        writeln!(book.lock().unwrap(), "{method} {path} {}", response.status().as_u16()).unwrap();
    }
    response
}
