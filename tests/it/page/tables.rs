//! The latest state of tables that are not ours: what the page says of them, whatever their key.

use serde_json::Value;

use super::ends;
use crate::loader::Bench;
use crate::support::{Http, event, eventually, program, run};

/// Every `(shop, no)` in the order of the key: a quote and letters that no key of ours has.
fn keys() -> Vec<(String, i64)> {
    let shops = ["O'Hara", "Zoë"];
    shops.iter().flat_map(|shop| (0..160).map(move |no| ((*shop).to_owned(), no))).collect()
}

async fn rows(http: &Http, query: &str) -> Value {
    let (status, _, body) = http.get(&format!("/page/rows?{query}")).await;
    assert_eq!(status, 200, "{query}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn shown(answer: &Value) -> Vec<(String, i64)> {
    let cell = |row: &Value, at: usize| row["key"][at].as_str().unwrap().to_owned();
    answer["rows"].as_array().unwrap().iter().map(|row| (cell(row, 0), cell(row, 1).parse().unwrap())).collect()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_ones_own_is_paged_by_its_own_key() {
    let bench = Bench::new().await;
    let orders = bench.files.of_hub("orders");
    let body = |(shop, no): &(String, i64), op: &str, hour: u32| {
        serde_json::json!({
            "shop": shop, "no": no, "op": op, "total": no * 3, "at": format!("2026-01-31T{hour:02}:00:00Z"),
        })
        .to_string()
    };
    let all = keys();
    let mut events: Vec<_> = (0..).zip(&all).map(|(number, key)| event(number, body(key, "insert", 10))).collect();
    events.push(event(1000, body(&all[3], "update", 11)));
    events.push(event(1001, body(&all[4], "delete", 11)));
    orders.add(0, 0, events).await;
    let (blob, store) = (bench.files.url(), bench.store.url());
    let made = run(program(
        env!("CARGO_BIN_EXE_deltawave"),
        &[
            "table",
            "orders",
            "--key",
            "shop,no",
            "--order",
            "at",
            "--delete-when",
            "op=delete",
            "--apply",
            "--yes",
            "--blob",
            &blob,
            "--store-url",
            &store,
            "--log",
            "off",
        ],
    ))
    .await;
    assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
    bench.store.run("CREATE TABLE plain (LIKE user_event_log INCLUDING ALL)").await;
    bench.files.of_hub("plain").add_plain(0..1, 0..1, 5).await;

    let routes = "orders=orders,plain=plain";
    let running = bench.start(&["--poll", "0.05", "--http", "127.0.0.1:0", "--route", routes, "--require", ""]);
    let http = Http::of(&running).await;
    http.until(None).await;
    bench.until("SELECT count(*) FROM orders", 322).await;

    let wanted: Vec<_> = all.iter().filter(|key| **key != all[4]).cloned().collect();
    let first = rows(&http, "route=0").await;
    assert_eq!((first["view"].as_str(), first["more"].as_bool()), (Some("latest_orders"), Some(true)));
    let names: Vec<_> = first["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    let at = first["key"].as_array().unwrap().iter().map(|at| names[at.as_u64().unwrap() as usize].clone());
    assert_eq!(at.collect::<Vec<_>>(), ["shop", "no"]);
    let mut found = shown(&first);
    let last = encoded(&first["rows"].as_array().unwrap().last().unwrap()["key"].to_string());
    let second = rows(&http, &format!("route=0&after={last}")).await;
    assert_eq!(second["more"], false);
    found.extend(shown(&second));
    assert_eq!(found, wanted, "each once, in the order of the key");

    let of = async |search: &str| shown(&rows(&http, &format!("route=0&search={}", encoded(search))).await);
    assert_eq!(of("o'h").await.len(), 159, "a part of a text, in any case");
    assert_eq!(of("=7").await, [(all[7].clone()), all[167].clone()], "a part of the key");
    assert_eq!(of("' OR 1=1 --").await, []);
    let newest = rows(&http, "route=0&newest").await;
    assert_eq!(
        shown(&newest),
        [all[4].clone(), all[3].clone()].into_iter().chain(shown(&newest)[2..].to_vec()).collect::<Vec<_>>()
    );
    assert_eq!((newest["rows"][0]["gone"].as_bool(), newest["rows"][1]["gone"].as_bool()), (Some(true), None));

    // One without a view says which lacks.
    let none = rows(&http, "route=1").await;
    let why = none["why"].as_str().unwrap();
    assert!(
        none["view"].is_null() && why.contains("no view latest_plain") && why.contains("deltawave table plain"),
        "{why}"
    );
    assert_eq!(http.get("/page/rows?route=2").await.0, 404);
    assert_eq!(http.get("/page/rows?after=x").await.0, 400);
    // A view that goes and comes is followed, and the store's own words are said meanwhile.
    bench.store.run("ALTER VIEW latest_orders RENAME TO elsewhere").await;
    eventually("its absence", async || match http.get("/page/rows?route=0&search=absent").await {
        (_, _, body) if body.contains("no view latest_orders") => Ok(()),
        (_, _, body) => Err(body),
    })
    .await;
    ends(running).await;
    bench.store.run("DROP VIEW elsewhere").await;
    bench.passed().await;
}
