use std::io;

use apache_avro::types::Value;
use apache_avro::{DeflateSettings, Schema, Writer, ZstandardSettings};
use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::capture::{EnqueuedTime, FileWriter, OutgoingEvent, PropertyValue};

type Record = (i64, String, Option<Vec<u8>>);

/// Hands out a few bytes at a time, as a network does.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.1).min(self.0.len());
        let (now, later) = self.0.split_at(length);
        out[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

fn read_with(file: &[u8], limits: ReadLimits) -> (Vec<Record>, Option<DamageKind>) {
    let mut records = Vec::new();
    let result = read_events(Dribble(file, 1000), limits, |event| {
        records.push((event.sequence_number, event.enqueued_time.to_owned(), event.body.map(<[u8]>::to_vec)));
        ControlFlow::Continue(())
    });
    let damage = match result {
        Ok(()) => None,
        Err(ReadError::Damage(damage)) => Some(damage.kind),
        Err(ReadError::Source(error)) => panic!("{error}"),
    };
    (records, damage)
}

fn read(file: &[u8]) -> (Vec<Record>, Option<DamageKind>) {
    read_with(file, ReadLimits::default())
}

fn event(sequence_number: i64, body: Option<Vec<u8>>) -> OutgoingEvent {
    OutgoingEvent {
        sequence_number,
        offset: format!("{}", sequence_number * 100),
        enqueued_time: EnqueuedTime::from_utc(OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap()),
        system_properties: vec![("x-opt-partition-key".to_owned(), PropertyValue::String("7".to_owned()))],
        properties: vec![
            ("long".to_owned(), PropertyValue::Long(-3)),
            ("double".to_owned(), PropertyValue::Double(0.5)),
            ("bytes".to_owned(), PropertyValue::Bytes(vec![0, 255])),
            ("null".to_owned(), PropertyValue::Null),
        ],
        body,
    }
}

fn expected(bodies: &[Option<Vec<u8>>]) -> Vec<Record> {
    let record = |(n, body): (usize, &Option<Vec<u8>>)| (n as i64, "1/2/2026 3:04:05 AM".to_owned(), body.clone());
    bodies.iter().enumerate().map(record).collect()
}

fn file(bodies: &[Option<Vec<u8>>], deflate: bool) -> Vec<u8> {
    let mut writer = FileWriter::new(deflate).unwrap();
    let mut bytes = Vec::new();
    for (n, body) in bodies.iter().enumerate() {
        writer.append(event(n as i64, body.clone())).unwrap();
        bytes.extend(writer.take());
        assert_eq!(writer.size(), bytes.len() as u64);
    }
    bytes.extend(writer.finish().unwrap());
    bytes
}

fn bodies(count: usize) -> Vec<Option<Vec<u8>>> {
    (0..count).map(|n| (n % 10 != 3).then(|| format!("body {n}").into_bytes())).collect()
}

/// A file as Avro's own library writes it, to read other codecs and other schemas.
fn foreign_file(codec: apache_avro::Codec, schema: &str, records: Vec<Value>) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
    for record in records {
        writer.append_value(record).unwrap();
    }
    writer.into_inner().unwrap()
}

const BARE: &str = r#"{"type":"record","name":"EventData","fields":[{"name":"Body","type":"bytes"},
{"name":"Extra","type":{"type":"array","items":{"type":"record","name":"Pair","fields":[{"name":"a","type":"int"},{"name":"b","type":"double"}]}}},
{"name":"SequenceNumber","type":"long"},{"name":"EnqueuedTimeUtc","type":"string"}]}"#;

fn bare(sequence_number: i64, body: &[u8]) -> Value {
    let pair = Value::Record(vec![("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Double(2.0))]);
    Value::Record(vec![
        ("Body".to_owned(), Value::Bytes(body.to_vec())),
        ("Extra".to_owned(), Value::Array(vec![pair.clone(), pair])),
        ("SequenceNumber".to_owned(), Value::Long(sequence_number)),
        ("EnqueuedTimeUtc".to_owned(), Value::String("1/2/2026 3:04:05 AM".to_owned())),
    ])
}

#[test]
fn what_is_written_is_read() {
    for deflate in [false, true] {
        let bodies = bodies(5000);
        let file = file(&bodies, deflate);
        assert_eq!(read(&file), (expected(&bodies), None));
        // Avro's own library agrees.
        let theirs: Vec<_> = apache_avro::Reader::new(&file[..]).unwrap().map(Result::unwrap).collect();
        assert_eq!(theirs.len(), 5000);
        let Value::Record(fields) = &theirs[3] else { panic!() };
        assert_eq!(fields[5], ("Body".to_owned(), Value::Union(0, Box::new(Value::Null))));
        let Value::Map(properties) = &fields[4].1 else { panic!() };
        assert_eq!(properties["double"], Value::Union(1, Box::new(Value::Double(0.5))));
    }
}

#[test]
fn a_silent_window_is_a_header_and_nothing_else() {
    let file = file(&[], false);
    assert!(file.len() < 1000);
    assert_eq!(read(&file), (vec![], None));
}

#[test]
fn every_codec_and_a_schema_in_another_order_are_read() {
    for codec in [
        apache_avro::Codec::Null,
        apache_avro::Codec::Deflate(DeflateSettings::default()),
        apache_avro::Codec::Snappy,
        apache_avro::Codec::Zstandard(ZstandardSettings::default()),
    ] {
        let body = "x".repeat(700).into_bytes();
        let file = foreign_file(codec, BARE, (0..100).map(|n| bare(n, &body)).collect());
        assert_eq!(read(&file), (expected(&vec![Some(body); 100]), None), "{codec:?}");
    }
}

#[test]
fn what_precedes_the_damage_is_read() {
    let bodies = bodies(5000);
    let whole = expected(&bodies);
    for deflate in [false, true] {
        let file = file(&bodies, deflate);
        // Cut anywhere: a prefix of the records, and a word about the end.
        for cut in [0, 1, 3, 4, 100, 400, file.len() / 2, file.len() - 17, file.len() - 16, file.len() - 1] {
            let (records, damage) = read(&file[..cut]);
            assert!(matches!(damage, Some(DamageKind::Truncated(_))), "cut at {cut}: {damage:?}");
            assert_eq!(records, whole[..records.len()]);
        }
        // One wrong byte in the last sync marker: every record is there, and so is the complaint.
        let mut wrong = file.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(read(&wrong), (whole.clone(), Some(DamageKind::WrongSync)));
    }
    let half = file(&bodies, true);
    let mut wrong = half.clone();
    let middle = wrong.len() / 2;
    wrong[middle..middle + 40].fill(0xa5);
    let (records, damage) = read(&wrong);
    assert!(damage.is_some() && !records.is_empty());
    assert_eq!(records, whole[..records.len()]);
}

#[test]
fn foreign_files_say_what_they_are() {
    let damage = |file: &[u8]| read(file).1.unwrap().to_string();
    assert!(damage(b"PK\x03\x04").contains("not an Avro file"));
    assert!(damage(b"").contains("no bytes at all"));
    assert!(
        damage(&foreign_file(apache_avro::Codec::Null, r#""long""#, vec![Value::Long(1)])).contains("not a record")
    );
    let no_body = BARE.replace("Body", "Payload");
    let schema = Schema::parse_str(&no_body).unwrap();
    let file = Writer::new(&schema, Vec::new()).unwrap().into_inner().unwrap();
    assert!(damage(&file).contains("no field Body"));
    let mut file = foreign_file(apache_avro::Codec::Snappy, BARE, vec![]);
    let codec = file.windows(6).position(|bytes| bytes == b"snappy").unwrap();
    file[codec..codec + 6].copy_from_slice(b"lzma-2");
    assert!(damage(&file).contains("codec `lzma-2` is none of null, deflate, snappy, zstandard"));
}

#[test]
fn sizes_a_file_claims_do_not_become_memory() {
    let limits = ReadLimits { record: 1 << 20, snappy_block: 1 << 20 };
    let huge = vec![7u8; 4 << 20];
    for codec in [apache_avro::Codec::Null, apache_avro::Codec::Deflate(DeflateSettings::default())] {
        let file = foreign_file(codec, BARE, vec![bare(0, b"fine"), bare(1, &huge)]);
        let (records, damage) = read_with(&file, limits);
        assert_eq!((records.len(), damage), (1, Some(DamageKind::TooLarge { what: "a record", limit: 1 << 20 })));
    }
    let file = foreign_file(apache_avro::Codec::Snappy, BARE, vec![bare(0, &huge)]);
    assert_eq!(read_with(&file, limits).1, Some(DamageKind::TooLarge { what: "a snappy block", limit: 1 << 20 }));
    // A block header that claims exabytes.
    let mut file = foreign_file(apache_avro::Codec::Null, BARE, vec![]);
    file.extend([0x02, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00]);
    assert!(matches!(read(&file).1, Some(DamageKind::Truncated(_) | DamageKind::Record { .. })));
}

#[test]
fn a_source_that_fails_is_no_damage() {
    struct Failing<'a>(Dribble<'a>);
    impl Read for Failing<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::other("connection reset")),
                read => Ok(read),
            }
        }
    }
    for deflate in [false, true] {
        let file = file(&bodies(5000), deflate);
        for cut in [2, 200, file.len() / 2] {
            let source = Failing(Dribble(&file[..cut], 1 << 20));
            let error = read_events(source, ReadLimits::default(), |_| ControlFlow::Continue(())).unwrap_err();
            assert!(matches!(error, ReadError::Source(_)), "cut at {cut}: {error:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_bodies_come_back(
        bodies in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..3000)), 0..40),
        deflate: bool,
    ) {
        prop_assert_eq!(read(&file(&bodies, deflate)), (expected(&bodies), None));
    }

    #[test]
    fn garbage_never_panics(
        mut file in Just(file(&bodies(300), false)),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        for (index, byte) in flips {
            let at = index.index(file.len());
            file[at] = byte;
        }
        read_with(&file, ReadLimits { record: 1 << 16, snappy_block: 1 << 16 });
    }
}
