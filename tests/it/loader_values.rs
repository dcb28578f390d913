//! Any value of any column type goes through the mapper and the store and comes back equal.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use deltawave::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use deltawave::rows::{Envelope, Mapper};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{TestStore, store};

/// A value of one column: as JSON on its way in, and as the store must show it, brought to one form.
#[derive(Debug, Clone)]
struct Sent {
    json: String,
    shown: String,
}

fn sent(json: impl ToString, shown: impl ToString) -> Sent {
    Sent { json: json.to_string(), shown: shown.to_string() }
}

/// How a column's shown text is brought to the form it is compared in.
type Form = fn(&str) -> String;

fn same(text: &str) -> String {
    text.to_owned()
}

fn double(text: &str) -> String {
    format!("{:e}", text.parse::<f64>().unwrap())
}

fn real(text: &str) -> String {
    format!("{:e}", text.parse::<f32>().unwrap())
}

fn document(text: &str) -> String {
    serde_json::from_str::<Value>(text).unwrap().to_string()
}

/// Without trailing zeros of a fraction, and without the offset, which is UTC's.
fn moment(text: &str) -> String {
    let text = text.trim_end_matches("+00:00").trim_end_matches("+00");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// An array's text as JSON: its elements as texts, NULL as null.
fn array(text: &str) -> String {
    let (mut elements, mut rest) = (Vec::new(), text.strip_prefix('{').unwrap().strip_suffix('}').unwrap());
    while !rest.is_empty() {
        let mut element = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut characters = quoted.char_indices();
            loop {
                match characters.next().unwrap() {
                    (_, '\\') => element.push(characters.next().unwrap().1),
                    (end, '"') => {
                        rest = &quoted[end + 1..];
                        break;
                    }
                    (_, c) => element.push(c),
                }
            }
            elements.push(Value::from(element));
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            elements.push(if &rest[..end] == "NULL" { Value::Null } else { Value::from(&rest[..end]) });
            rest = &rest[end..];
        }
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Value::from(elements).to_string()
}

/// Digits without leading and trailing zeros, and the power of ten of the last.
fn number(text: &str) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let mut power = exponent.parse::<i32>().unwrap() - fraction.len() as i32;
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    power += (digits.len() - digits.trim_end_matches('0').len()) as i32;
    format!("{}{significant}e{power}", if whole.starts_with('-') { "-" } else { "" })
}

fn integer(least: i64, most: i64) -> BoxedStrategy<Sent> {
    prop_oneof![Just(least), Just(most), Just(0), Just(-1), least..=most].prop_map(|n| sent(n, n)).boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[\"\\\\{},' \n\r\tNULa-z$%;-]{0,12}",
        any::<String>().prop_map(|text| text.replace('\0', "")),
        Just("NULL".to_owned()),
        Just("{}".to_owned()),
        Just("\u{10ffff}\u{feff}\u{7f}\u{1}".to_owned()),
    ]
    .boxed()
}

fn floats(least: f64, most: f64) -> BoxedStrategy<f64> {
    let edges = prop_oneof![Just(least), Just(most), Just(0.0), Just(-0.0), Just(0.1), Just(1.0)];
    prop_oneof![edges, prop::num::f64::NORMAL.prop_filter("in range", move |x| (least..=most).contains(x)), -1e6..1e6]
        .boxed()
}

fn day() -> BoxedStrategy<String> {
    prop_oneof![
        Just("0001-01-01".to_owned()),
        Just("9999-12-31".to_owned()),
        Just("2024-02-29".to_owned()),
        (1..=9999, 1..=12, 1..=28).prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}")),
    ]
    .boxed()
}

fn clock() -> BoxedStrategy<String> {
    let micros = prop_oneof![Just(0), Just(999_999), 0..1_000_000];
    (0..24, 0..60, 0..60, micros).prop_map(|(h, m, s, micros)| format!("{h:02}:{m:02}:{s:02}.{micros:06}")).boxed()
}

fn documents() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Every supported type: the column's name, its type in SQL, how it is compared, and what is sent.
fn columns() -> Vec<(&'static str, &'static str, Form, BoxedStrategy<Sent>)> {
    let timestamp =
        || (day(), clock()).prop_map(|(day, clock)| (format!("{day}T{clock}"), moment(&format!("{day} {clock}"))));
    let decimal = (any::<i64>(), 0usize..9, -3..4).prop_map(|(digits, scale, exponent)| {
        let mut text = format!("{:0width$}", digits.unsigned_abs(), width = scale + 1);
        if scale > 0 {
            text.insert(text.len() - scale, '.');
        }
        let sign = if digits < 0 { "-" } else { "" };
        let text = if exponent == 0 { format!("{sign}{text}") } else { format!("{sign}{text}e{exponent}") };
        // Numbers of JSON, or strings of them.
        let json = if digits % 2 == 0 { text.clone() } else { format!("\"{text}\"") };
        let json = json.replace("-00", "-0");
        sent(json, number(&text))
    });
    vec![
        ("a_boolean", "boolean", same, any::<bool>().prop_map(|b| sent(b, if b { "t" } else { "f" })).boxed()),
        ("a_smallint", "smallint", same, integer(i16::MIN.into(), i16::MAX.into())),
        ("an_int", "int", same, integer(i32::MIN.into(), i32::MAX.into())),
        ("a_bigint", "bigint", same, integer(i64::MIN, i64::MAX)),
        (
            "a_real",
            "real",
            real,
            floats(-3.4e38, 3.4e38).prop_map(|x| sent(json!(x), format!("{:e}", x as f32))).boxed(),
        ),
        (
            "a_double",
            "double precision",
            double,
            floats(f64::MIN, f64::MAX).prop_map(|x| sent(json!(x), format!("{x:e}"))).boxed(),
        ),
        ("a_numeric", "numeric", number, decimal.boxed()),
        ("a_text", "varchar", same, text().prop_map(|text| sent(json!(text), text)).boxed()),
        ("a_date", "date", same, day().prop_map(|day| sent(json!(day), day)).boxed()),
        ("a_time", "time", moment, clock().prop_map(|clock| sent(json!(clock), moment(&clock))).boxed()),
        (
            "a_timestamp",
            "timestamp",
            moment,
            timestamp().prop_map(|(sent_as, shown)| sent(json!(sent_as), shown)).boxed(),
        ),
        (
            "a_timestamptz",
            "timestamptz",
            moment,
            timestamp().prop_map(|(sent_as, shown)| sent(json!(sent_as + "Z"), shown)).boxed(),
        ),
        // A JSON null is SQL's.
        (
            "a_jsonb",
            "jsonb",
            document,
            documents().prop_filter("no null", |v| !v.is_null()).prop_map(|v| sent(&v, &v)).boxed(),
        ),
        (
            "some_ints",
            "int[]",
            array,
            vec(option::of(any::<i32>()), 0..5)
                .prop_map(|numbers| {
                    let texts: Vec<_> = numbers.iter().map(|number| number.map(|number| number.to_string())).collect();
                    sent(json!(numbers), json!(texts))
                })
                .boxed(),
        ),
        (
            "some_texts",
            "varchar[]",
            array,
            vec(option::of(text()), 0..5).prop_map(|texts| sent(json!(texts), json!(texts))).boxed(),
        ),
        (
            "a_bytea",
            "bytea",
            same,
            vec(any::<u8>(), 0..40)
                .prop_map(|bytes| {
                    let hex = bytes.iter().fold("\\x".to_owned(), |mut hex, byte| {
                        let _ = write!(hex, "{byte:02x}");
                        hex
                    });
                    sent(json!(BASE64_STANDARD.encode(bytes)), hex)
                })
                .boxed(),
        ),
    ]
}

#[test]
fn every_value_of_every_type_comes_back_equal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let columns = columns();
    let store = runtime.block_on(async {
        let store = store().await;
        let list: Vec<_> = columns.iter().map(|(name, kind, ..)| format!("{name} {kind}")).collect();
        let envelope = "event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp";
        let key = "PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)";
        store.run(&format!("CREATE TABLE every_type ({}, {envelope}, {key})", list.join(", "))).await;
        store
    });
    let row: Vec<_> = columns.iter().map(|(.., values)| option::weighted(0.9, values.clone())).collect();
    let config = Config { cases: 6, max_shrink_iters: 500, failure_persistence: None, ..Config::default() };
    let cases = AtomicI32::new(0);
    TestRunner::new(config)
        .run(&vec(row, 300..500), |rows| {
            let case = cases.fetch_add(1, Ordering::Relaxed);
            let shown = runtime.block_on(there_and_back(
                &store,
                case,
                &columns.iter().map(|(name, ..)| *name).collect::<Vec<_>>(),
                &rows,
            ));
            prop_assert_eq!(shown.len(), rows.len());
            for (sent, shown) in rows.iter().zip(&shown) {
                for (((name, _, form, _), sent), shown) in columns.iter().zip(sent).zip(shown) {
                    let shown = shown.as_deref().map(form);
                    prop_assert_eq!(shown.as_deref(), sent.as_ref().map(|sent| sent.shown.as_str()), "{}", name);
                }
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(store.passed());
}

/// Sends rows as the loader does, and gives what the store shows of them.
async fn there_and_back(
    store: &TestStore,
    case: i32,
    names: &[&str],
    rows: &[Vec<Option<Sent>>],
) -> Vec<Vec<Option<String>>> {
    let session = store.session().await;
    let table = session.table("every_type", &[]).await.unwrap().unwrap();
    let mut mapper = Mapper::new(&table);
    for (index, row) in (0..).zip(rows) {
        let fields =
            names.iter().zip(row).filter_map(|(name, value)| Some(format!("\"{name}\":{}", value.as_ref()?.json)));
        let body = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        let envelope = Envelope {
            event_hub: "hub",
            partition: PartitionId(case),
            sequence_number: SequenceNumber(index),
            enqueued_time: EnqueuedTime::parse("1/2/2026 3:04:05 AM").unwrap(),
        };
        mapper.push(envelope, Some(body.as_bytes())).unwrap_or_else(|reject| panic!("{reject}: {body}"));
    }
    let work = async {
        session.insert(&table, &mapper.take()).await?;
        session.flush().await?;
        let names = names.join(", ");
        session
            .query_text(&format!("SELECT {names} FROM every_type WHERE partition_id = {case} ORDER BY sequence_number"))
            .await
    };
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("an answer").unwrap().1
}
