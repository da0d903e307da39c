//! Pictures: what is taken, the gallery whose ids move, addresses that are fetched, and what a test can compare.

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::routing::get;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Stage;

/// A GIF of 3 × 2, told apart by its last byte.
fn gif(mark: u8) -> Vec<u8> {
    let mut bytes = b"GIF89a\x03\x00\x02\x00".to_vec();
    bytes.push(mark);
    bytes
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["errorCode"].as_str().unwrap_or_default())
}

impl Stage {
    async fn upload(&self, path: &str, bytes: Vec<u8>) -> (u16, Value) {
        self.upload_as("application/octet-stream", path, bytes).await
    }

    async fn upload_as(&self, kind: &str, path: &str, bytes: Vec<u8>) -> (u16, Value) {
        let request = self.request("POST", path).header(header::CONTENT_TYPE, kind);
        let (status, body, _) = self.send(request.body(Body::from(bytes)).unwrap()).await;
        (status, body)
    }

    /// The hashes of a product's pictures by their places.
    fn hung(&self, id: i64) -> Vec<(String, String)> {
        let all = self.sandbox.pictures(id).into_iter();
        all.map(|it| (it.place, it.sha256.unwrap_or_default())).collect()
    }

    async fn media(&self, id: i64) -> Vec<String> {
        let (_, record) = self.get(&format!("/products/{id}")).await;
        record["media"]["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// What hangs where.
fn at(place: &str, mark: u8) -> (String, String) {
    (place.to_owned(), hash(&gif(mark)))
}

#[tokio::test]
async fn a_main_picture_is_replaced_and_shown_at_once() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let path = format!("/products/{id}/image");
    let record = stage.sandbox.product(id).unwrap().json;
    assert_eq!((record.get("imageUrl"), record.get("originalImage")), (None, None));
    let (status, first) = stage.upload(&path, gif(1)).await;
    assert_eq!(status, 200);
    let (_, second) = stage.upload_as("image/gif", &path, gif(1)).await;
    assert_ne!(first, second, "the same picture again is a new one");
    assert_eq!(stage.hung(id), [at("main", 1)]);
    let (_, record) = stage.get(&format!("/products/{id}")).await;
    let url = record["originalImageUrl"].as_str().unwrap();
    assert!(url.ends_with(&format!("/{}.gif", second["id"])), "the id is the number of the file: {url}");
    assert_eq!(record["originalImage"], json!({"url": url, "width": 3, "height": 2}));
    let image = &record["media"]["images"][0];
    assert_eq!(
        (&image["id"], &image["isMain"], &image["orderBy"], &image["imageOriginalUrl"]),
        (&json!("0"), &json!(true), &json!(0), &json!(url))
    );
    assert_eq!(record["galleryImages"], json!([]));
    assert_eq!(stage.call("DELETE", &path, Value::Null).await, (200, json!({"deleteCount": 1})));
    assert_eq!(stage.call("DELETE", &path, Value::Null).await, (200, json!({"deleteCount": 0})));
    assert!(stage.hung(id).is_empty());
}

#[tokio::test]
async fn what_is_no_picture_or_too_large_or_nowhere_is_refused() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let path = format!("/products/{id}/image");
    let webp = b"RIFF\0\0\0\0WEBPVP8 ".to_vec();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x07\0\0\0\x05".to_vec();
    let jpg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x09\0\x08".to_vec();
    for bytes in [Vec::new(), b"<html>".to_vec(), webp.clone()] {
        assert_eq!(stage.upload(&path, bytes).await.0, 422);
    }
    for (bytes, size) in [(png, (7, 5)), (jpg, (8, 9))] {
        assert_eq!(stage.upload(&path, bytes).await.0, 200);
        let read = stage.sandbox.product(id).unwrap().json["originalImage"].clone();
        assert_eq!((read["width"].as_i64().unwrap(), read["height"].as_i64().unwrap()), size);
    }
    stage.sandbox.habits(|habits| habits.webp_is_an_image = true);
    assert_eq!(stage.upload(&path, webp).await.0, 200);
    assert_eq!(stage.upload_as("text/plain", &path, gif(1)).await.0, 415);
    let mut large = gif(1);
    large.resize((20 << 20) + 1, 0);
    assert_eq!(code(&stage.upload(&path, large.clone()).await), (400, "INCORRECT_IMAGE_SIZE"));
    stage.sandbox.habits(|habits| habits.large_images_answer_413 = true);
    assert_eq!(stage.upload(&path, large.clone()).await.0, 413);
    large.pop();
    assert_eq!(stage.upload(&path, large).await.0, 200, "20 MB fit");
    for path in [
        "/products/5/image",
        "/products/5/gallery",
        &format!("/products/{id}/combinations/5/image"),
        "/categories/5/image",
    ] {
        assert_eq!(stage.upload(path, gif(1)).await.0, 404, "{path}");
    }
    assert_eq!(stage.get(&path).await.0, 405);
}

#[tokio::test]
async fn the_ids_of_a_gallery_move() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let path = format!("/products/{id}/gallery");
    let ids = async |range: std::ops::RangeInclusive<u8>| {
        let mut ids = Vec::new();
        for mark in range {
            ids.push(stage.upload(&path, gif(mark)).await.1["id"].as_i64().unwrap());
        }
        ids
    };
    assert_eq!(ids(0..=3).await, [0, 1, 2, 3], "the first one becomes the main one");
    assert_eq!(stage.hung(id), [at("main", 0), at("gallery 1", 1), at("gallery 2", 2), at("gallery 3", 3)]);
    assert_eq!(stage.media(id).await, ["0", "1", "2", "3"]);

    // The third is promoted, the main one gets the next free number.
    let images = json!([
        {"id": "2", "orderBy": 0, "alt": {"main": "third", "translated": {}}}, {"id": "0", "orderBy": 1},
        {"id": "3", "orderBy": 2}, {"id": "1", "orderBy": 3},
    ]);
    assert_eq!(
        stage.call("PUT", &format!("/products/{id}"), json!({"media": {"images": images}})).await.0,
        200
    );
    assert_eq!(stage.hung(id), [at("main", 2), at("gallery 2", 0), at("gallery 3", 3), at("gallery 1", 1)]);
    let (_, record) = stage.get(&format!("/products/{id}")).await;
    assert_eq!(record["media"]["images"][0]["alt"]["main"], "third");
    let gallery: Vec<&Value> =
        record["galleryImages"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(gallery, [&json!(2), &json!(3), &json!(1)]);
    stage.wait(5);
    assert_eq!(stage.ids("keyword=third").await, [id], "alternative texts are searched");
    // What was read may be sent back.
    let before = stage.sandbox.pictures(id);
    stage.call("PUT", &format!("/products/{id}"), record).await;
    assert_eq!(stage.sandbox.pictures(id), before);
    let unknown = json!({"media": {"images": [{"id": "9"}]}});
    assert_eq!(stage.call("PUT", &format!("/products/{id}"), unknown).await.0, 404);
    assert_eq!(stage.sandbox.pictures(id), before);

    assert_eq!(
        stage.call("DELETE", &format!("{path}/3"), Value::Null).await,
        (200, json!({"deleteCount": 1}))
    );
    assert_eq!(stage.call("DELETE", &format!("{path}/3"), Value::Null).await.0, 404);
    assert_eq!(ids(4..=4).await, [3], "a free number is used again");
    stage.sandbox.habits(|habits| habits.most_gallery_images = Some(3));
    assert_eq!(stage.upload(&path, gif(5)).await.0, 400);

    assert_eq!(code(&stage.call("DELETE", &path, Value::Null).await), (403, "INSUFFICIENT_APP_SCOPE"));
    stage.sandbox.with(|store| store.config.scopes.push("update_catalog_batch_delete".into()));
    let stage = Stage { token: stage.sandbox.issue_token(), ..stage };
    assert_eq!(stage.call("DELETE", &path, Value::Null).await, (200, json!({"deleteCount": 3})));
    assert_eq!(stage.hung(id), [at("main", 2)], "the main one stays");
}

#[tokio::test]
async fn a_gallery_without_a_main_picture_is_a_habit() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    stage.sandbox.habits(|habits| habits.first_gallery_image_becomes_main = false);
    assert_eq!(stage.sandbox.add_gallery_picture(id, &gif(1)), Ok(1));
    assert_eq!(stage.hung(id), [at("gallery 1", 1)]);
    stage.sandbox.set_picture(id, &gif(2)).unwrap();
    assert!(stage.sandbox.arrange_pictures(id, &[1, 0]));
    assert_eq!(stage.hung(id), [at("main", 1), at("gallery 1", 2)]);
    assert!(stage.sandbox.set_alt(id, 1, "back") && !stage.sandbox.set_alt(id, 7, "back"));
    assert_eq!(stage.sandbox.pictures(id)[1].alt.as_ref().unwrap()["main"], "back");
    assert!(stage.sandbox.remove_picture(id));
    assert_eq!(stage.hung(id), [at("gallery 1", 2)], "nobody takes its place");
    stage.sandbox.set_picture(id, &gif(3)).unwrap();
    stage.sandbox.habits(|habits| habits.gallery_fills_empty_main = true);
    assert!(stage.sandbox.remove_picture(id) && stage.sandbox.remove_picture(id));
    assert!(!stage.sandbox.remove_picture(id));
    assert!(!stage.sandbox.remove_gallery_picture(id, 1));
}

#[tokio::test]
async fn variations_and_categories_have_one_picture_each() {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let one = stage.sandbox.add_variation(id, json!({"options": [{"name": "Size", "value": "S"}]})).unwrap();
    let category = stage.sandbox.create_category(json!({"name": "a"}));
    stage.sandbox.set_webhook_url(Some("http://127.0.0.1:1/".into()));
    let paths = [format!("/products/{id}/combinations/{one}/image"), format!("/categories/{category}/image")];
    for path in &paths {
        stage.upload(path, gif(1)).await;
        assert_eq!(stage.upload(&format!("{path}?externalId=r-7"), gif(2)).await.0, 200);
    }
    assert_eq!(stage.hung(id), [at(&format!("variation {one}"), 2)]);
    let of_category = stage.sandbox.category_picture(category).unwrap();
    assert_eq!((of_category.sha256, of_category.external_id), (Some(hash(&gif(2))), Some("r-7".into())));
    let url = stage.sandbox.variation(id, one).unwrap()["originalImageUrl"].clone();
    assert_eq!(url, stage.sandbox.pictures(id)[0].url);
    assert_eq!(stage.sandbox.category(category).unwrap()["imageExternalId"], "r-7");
    assert_eq!(stage.sandbox.product(id).unwrap().json.get("imageUrl"), None);
    for path in &paths {
        assert_eq!(stage.call("DELETE", path, Value::Null).await, (200, json!({"deleteCount": 1})));
    }
    assert_eq!((stage.hung(id).len(), stage.sandbox.category_picture(category)), (0, None));
    let kinds: Vec<String> =
        stage.sandbox.outbox().deliver_due().await.iter().map(|it| it.url.clone()).collect();
    let expected = ["product", "product", "category", "category", "product", "category"]
        .map(|kind| format!("http://127.0.0.1:1/?eventtype={kind}.updated"));
    assert_eq!(kinds, expected);
}

/// A host of pictures: `/1.gif` is there, `/none` is not, `/page` is no picture.
async fn host() -> String {
    let page = || async { (StatusCode::OK, "<html>") };
    let app = Router::new()
        .route("/1.gif", get(|| async { gif(1) }))
        .route("/moved", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/1.gif")]) }))
        .route("/page", get(page));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn an_address_is_fetched_before_the_answer_comes() {
    let stage = Stage::new();
    let host = host().await;
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let path = format!("/products/{id}/image");
    let given = |place: &str| format!("{path}?externalUrl={host}/{place}");
    let refused = stage.upload(&given("1.gif"), Vec::new()).await;
    assert_eq!(code(&refused), (422, "WRONG_URL"), "only HTTPS");
    stage.sandbox.habits(|habits| habits.external_urls_need_https = false);
    assert_eq!(stage.upload(&given("1.gif"), gif(9)).await.0, 200);
    assert_eq!(stage.hung(id), [at("main", 1)], "the body is ignored");
    for (place, refusal) in [("none", (422, "WRONG_URL")), ("page", (422, ""))] {
        assert_eq!(code(&stage.upload(&given(place), Vec::new()).await), refusal);
    }
    assert_eq!(stage.upload(&given("moved"), Vec::new()).await.0, 200);
    for address in ["", "ftp://a/b", "nonsense", "http://127.0.0.1:1/x"] {
        let refused = stage.upload(&format!("{path}?externalUrl={address}"), Vec::new()).await;
        assert_eq!(code(&refused), (422, "WRONG_URL"), "{address}");
    }
    let stranger = Stage { token: "secret_no".into(), ..stage };
    assert_eq!(stranger.upload(&given("1.gif"), Vec::new()).await.0, 403);
}

#[tokio::test]
async fn inside_a_batch_addresses_are_fetched_too_and_bytes_have_no_place() {
    let stage = Stage::new();
    let host = host().await;
    stage.sandbox.habits(|habits| habits.external_urls_need_https = false);
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let url = format!("{host}/1.gif");
    let requests = json!([
        {"path": format!("/products/{id}/image?externalUrl={url}"), "method": "POST"},
        {"path": format!("/products/{id}/gallery/async"), "method": "POST", "body": {"url": url, "width": 3, "height": 2}},
        {"path": format!("products/{id}/gallery?externalUrl={host}/none"), "method": "POST"},
        {"path": format!("/products/{id}/image"), "method": "POST", "body": "GIF89a"},
    ]);
    let (_, ticket) = stage.call("POST", "/batch?stopOnFirstFailure=false", requests).await;
    assert!(stage.hung(id).is_empty(), "not before it is run");
    let (_, report) = stage.get(&format!("/batch?ticket={}", ticket["ticket"].as_str().unwrap())).await;
    let statuses: Vec<&Value> =
        report["responses"].as_array().unwrap().iter().map(|it| &it["httpStatusCode"]).collect();
    assert_eq!(statuses, [&json!(200), &json!(200), &json!(422), &json!(422)]);
    stage.wait(5);
    assert_eq!(stage.hung(id), [at("main", 1), at("gallery 1", 1)]);
}

#[tokio::test]
async fn the_asynchronous_form_is_taken_at_its_word() {
    let stage = Stage::new();
    let host = host().await;
    stage.sandbox.habits(|habits| habits.promised_pictures_take_seconds = Some(0));
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let path = format!("/products/{id}/image/async");
    let there = format!("{host}/1.gif");
    let body = json!({"url": there, "width": "30", "height": 20, "externalId": "7", "alt": {"main": "cup", "translated": {}}});
    assert_eq!(stage.call("POST", &path, body).await.0, 200);
    let view = stage.sandbox.pictures(id).remove(0);
    assert_eq!(
        (view.url, view.sha256, view.external_id),
        (there.clone(), Some(hash(&gif(1))), Some("7".into()))
    );
    let (_, record) = stage.get(&format!("/products/{id}")).await;
    assert_eq!(record["originalImage"], json!({"url": there, "width": 30, "height": 20}));
    assert_eq!(record["media"]["images"][0]["alt"]["main"], "cup");

    let gone = json!({"url": format!("{host}/none"), "width": 1, "height": 1});
    assert_eq!(stage.call("POST", &path, gone).await.0, 200, "what cannot be fetched is not found out");
    assert_eq!(stage.sandbox.pictures(id)[0].sha256, None);
    for (body, refusal) in [
        (json!({"url": "", "width": 1, "height": 1}), (422, "WRONG_URL")),
        (json!({"url": "ftp://a/b.gif", "width": 1, "height": 1}), (422, "WRONG_URL")),
        (json!({"url": there, "height": 1}), (400, "WRONG_PARAMETER")),
        (json!({"url": there, "width": 0, "height": 1}), (400, "WRONG_PARAMETER")),
    ] {
        assert_eq!(code(&stage.call("POST", &path, body).await), refusal);
    }
}

#[tokio::test]
async fn what_the_asynchronous_form_has_told_of_is_there_with_its_copies_when_it_has_been_read() {
    let host = host().await;
    for (takes, keeps_url) in [(Some(5), true), (Some(5), false), (None, true)] {
        let stage = Stage::new();
        stage.sandbox.habits(|habits| {
            habits.promised_pictures_take_seconds = takes;
            habits.promised_pictures_keep_their_url = keeps_url;
        });
        let id = stage.sandbox.create_product(json!({"name": "Cup"}));
        let url = format!("{host}/1.gif");
        let body = json!({"url": url, "width": 3, "height": 2});
        assert_eq!(stage.call("POST", &format!("/products/{id}/image/async"), body).await.0, 200);
        let copy = async || {
            let (_, record) = stage.get(&format!("/products/{id}")).await;
            let copy = record["media"]["images"][0]["image160pxUrl"].as_str().unwrap().to_owned();
            let path = copy.split_once("//").unwrap().1.split_once('/').unwrap().1.to_owned();
            let request = axum::http::Request::get(format!("/{path}")).body(Body::empty()).unwrap();
            stage.send(request).await.0
        };
        stage.wait(4);
        assert_eq!((copy().await, stage.sandbox.pictures(id)[0].sha256.clone()), (404, None));
        stage.wait(3_600);
        assert_eq!(copy().await, if takes.is_some() { 200 } else { 404 });
        let view = stage.sandbox.pictures(id).remove(0);
        assert_eq!(view.sha256, takes.map(|_| hash(&gif(1))));
        assert_eq!(view.url == url, keeps_url, "{}", view.url);
    }
}

#[tokio::test]
async fn overriding_all_media_wipes_a_gallery_that_is_not_named() {
    let stage = Stage::new();
    let host = host().await;
    stage.sandbox.habits(|habits| habits.external_urls_need_https = false);
    let id = stage.sandbox.create_product(json!({"name": "Cup"}));
    let fill = || {
        stage.sandbox.set_picture(id, &gif(4)).unwrap();
        stage.sandbox.add_gallery_picture(id, &gif(5)).unwrap();
        stage.sandbox.add_gallery_picture(id, &gif(6)).unwrap();
    };
    let put = async |body: Value| stage.call("PUT", &format!("/products/{id}/media"), body).await;
    let url = format!("{host}/1.gif");
    fill();
    assert_eq!(put(json!({"mainMedia": {"imageUrl": url}})).await, (200, json!({"updateCount": 1})));
    assert_eq!(stage.hung(id), [at("main", 1)]);
    fill();
    let last = stage.sandbox.pictures(id)[2].url.clone();
    let gallery = json!([{"imageUrl": last}, {"imageUrl": url}]);
    assert_eq!(put(json!({"mainMedia": null, "galleryMedia": gallery})).await.0, 200);
    assert_eq!(
        stage.hung(id),
        [at("main", 4), at("gallery 1", 6), at("gallery 2", 1)],
        "its own stay what they are"
    );
    let before = stage.hung(id);
    for (body, refusal) in [
        (json!({"mainMedia": {"imageUrl": format!("{host}/none")}}), (422, "WRONG_URL")),
        (json!({"galleryMedia": [{"videoUrl": "https://a/b"}]}), (422, "VIDEO_NOT_SUPPORTED")),
        (json!({"galleryMedia": {}}), (400, "WRONG_PARAMETER")),
    ] {
        assert_eq!(code(&put(body).await), refusal);
        assert_eq!(stage.hung(id), before);
    }
    stage.sandbox.habits(|habits| habits.external_urls_are_fetched = false);
    assert_eq!(put(json!({"mainMedia": {"imageUrl": "http://127.0.0.1:1/x.gif"}})).await.0, 200);
    assert_eq!(stage.hung(id), [("main".to_owned(), String::new())], "taken for granted");
}
