use proptest::prelude::*;
use time::macros::datetime;

use super::*;

fn hub() -> Hub {
    Hub::new("my-ns", "user-events").unwrap()
}

fn name() -> FileName {
    FileName { hub: hub(), partition: PartitionId(3), window_start: datetime!(2026-01-02 03:04:05 UTC) }
}

#[test]
fn the_default_is_the_services_own() {
    let format = NameFormat::default();
    assert_eq!(
        format.to_string(),
        "{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}"
    );
    assert_eq!(format.to_string().parse::<NameFormat>().unwrap(), format);
    assert_eq!(format.format(&name()), "my-ns/user-events/3/2026/01/02/03/04/05.avro");
    assert_eq!(format.parse(&hub(), "my-ns/user-events/3/2026/01/02/03/04/05.avro"), Some(name()));
}

#[test]
fn foreign_names_are_no_files_of_ours() {
    let format = NameFormat::default();
    for blob in [
        "my-ns/user-events/3/2026/01/02/03/04/05",
        "my-ns/user-events/3/2026/01/02/03/04/05.avro.tmp",
        "my-ns/user-events/x/2026/01/02/03/04/05.avro",
        "my-ns/user-events/03/2026/01/02/03/04/05.avro",
        "my-ns/user-events/3/2026/13/02/03/04/05.avro",
        "my-ns/other/3/2026/01/02/03/04/05.avro",
        "my-ns/user-events/99999999999/2026/01/02/03/04/05.avro",
        "",
        "é.avro",
    ] {
        assert_eq!(format.parse(&hub(), blob), None, "{blob}");
    }
}

#[test]
fn prefixes_go_as_far_as_is_known() {
    let format = NameFormat::default();
    let hour = Some(datetime!(2026-01-02 03:04:05 UTC));
    assert_eq!(format.prefix(&hub(), None, hour), "my-ns/user-events/");
    assert_eq!(format.prefix(&hub(), Some(PartitionId(3)), None), "my-ns/user-events/3/");
    assert_eq!(format.prefix(&hub(), Some(PartitionId(3)), hour), "my-ns/user-events/3/2026/01/02/03/");
    let minute_first: NameFormat =
        "{Namespace}/{EventHub}/{Minute}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Second}".parse().unwrap();
    assert_eq!(minute_first.prefix(&hub(), Some(PartitionId(3)), hour), "my-ns/user-events/");
}

#[test]
fn wrong_formats_say_what_is_wrong() {
    let error = |text: &str| text.parse::<NameFormat>().unwrap_err().to_string();
    let full = NameFormat::default().to_string();
    assert!(error("").contains("lacks {Namespace}"));
    assert!(error(&full.replace("/{Second}", "")).contains("lacks {Second}"));
    assert!(error(&full.replace("{Hour}", "{hour}")).contains("`{hour}`"));
    assert!(error(&full.replace("{Hour}", "{Hour")).contains("`{Hour/{Minute}`"));
    assert!(error(&format!("{full}}}")).contains("`}`"));
    assert!(error(&format!("/{full}")).contains("slash"));
}

#[test]
fn a_token_may_stand_twice_if_both_say_the_same() {
    let text = "{EventHub}/{Year}/{Month}/{Day}/{Hour}/{EventHub}_{Year}_{Month}_{Day}_{Hour}_{Minute}_{Second}_{PartitionId}_{PartitionId}_{Namespace}";
    let format: NameFormat = text.parse().unwrap();
    let blob = "user-events/2026/01/02/03/user-events_2026_01_02_03_04_05_3_3_my-ns.avro";
    assert_eq!(format.format(&name()), blob);
    assert_eq!(format.parse(&hub(), blob), Some(name()));
    for other in
        [blob.replacen("2026", "2025", 1), blob.replacen("_3_3_", "_3_4_", 1), blob.replacen("_3_3_", "_3_33_", 1)]
    {
        assert_eq!(format.parse(&hub(), &other), None, "{other}");
    }
    assert_eq!(format.listing_order(), ListingOrder::ByTime);
    assert!(format.sorts_by_time());
    let by_partition: NameFormat =
        NameFormat::default().to_string().replace("{Second}", "{Second}-{PartitionId}-{Second}").parse().unwrap();
    assert_eq!(by_partition.listing_order(), ListingOrder::ByPartition);
    let ending: NameFormat = format!("{}.avro", NameFormat::default()).parse().unwrap();
    assert_eq!(ending, NameFormat::default());
}

prop_compose! {
    /// All nine tokens in any order, some of them twice, with literals that may look like digits or parts of names.
    fn any_format()(
        (tokens, literals) in prop::sample::subsequence(TOKENS.map(|(name, _)| name).to_vec(), 0..4)
            .prop_map(|twice| [&TOKENS.map(|(name, _)| name)[..], &twice].concat())
            .prop_shuffle()
            .prop_flat_map(|tokens| {
                let literals = prop::collection::vec("[a-z0-9=_.-]{0,3}/?[a-z0-9é]{0,2}", tokens.len() + 1);
                (Just(tokens), literals)
            }),
    ) -> String {
        let mut text: String = literals[0].trim_matches('/').to_owned();
        for (token, literal) in tokens.iter().zip(&literals[1..]) {
            text.push_str(token);
            text.push_str(literal);
        }
        text.trim_end_matches('/').to_owned()
    }
}

proptest! {
    #[test]
    fn parse_of_format_is_identity(
        text in any_format(),
        namespace in "[a-z][a-z0-9-]{0,8}",
        hub in "[a-z0-9][a-z0-9._-]{0,8}",
        partition in 0i32..2000,
        seconds in 0i64..4_102_444_800,
    ) {
        let format: NameFormat = text.parse().unwrap();
        let hub = Hub::new(&namespace, &hub).unwrap();
        let window_start = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let name = FileName { hub: hub.clone(), partition: PartitionId(partition), window_start };
        let blob = format.format(&name);
        prop_assert_eq!(format.parse(&hub, &blob), Some(name));
        prop_assert!(blob.starts_with(&format.prefix(&hub, Some(PartitionId(partition)), Some(window_start))));
        prop_assert!(blob.starts_with(&format.prefix(&hub, None, None)));
    }
}

#[test]
fn names_sort_by_time_only_when_the_date_goes_from_year_to_second() {
    assert!(NameFormat::default().sorts_by_time());
    let day_first: NameFormat =
        "{Day}/{Month}/{Year}/{Namespace}/{EventHub}/{PartitionId}/{Hour}/{Minute}/{Second}".parse().unwrap();
    assert!(!day_first.sorts_by_time());
}
