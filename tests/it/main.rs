//! The integration tests, in one binary so that they are linked once and share one Azurite, Kafka and PostgreSQL.
//!
//! | module | tests |
//! |---|---|
//! | `azure` | programs towards Azure: tokens, signatures and secrets that change, and every refusal in one sentence |
//! | `amqp` | the `producer` binary and `loader --live` over AMQP, and partition properties, on a played event hub |
//! | `blob` | one conformance suite for every blob backend, and a storage service that misbehaves |
//! | `capture` | the `capture` binary between a broker and a container, killed and cut off |
//! | `circles` | that no two files of `src/` import each other, directly or by way of others |
//! | `debezium` | Debezium's connector on a PostgreSQL under random changes, every program killed: the latest state is the source |
//! | `docs` | that the documentation's commands, links and flags exist |
//! | `doctor` | `deltawave doctor`: what stands between a loader's flags and rows, each fault with its remedy |
//! | `evolve` | `loader --evolve add`: fields without a column get one, by one loader or several, and no value is lost |
//! | `forget` | `deltawave prune --key`: every record of a key goes, is known to have gone, and stays away |
//! | `forget_rows` | the same on a table with several rows of a record: the rows of the key go, those beside them stay |
//! | `formats` | bodies that are more than one flat object, and what records say beside them, from files to tables |
//! | `guard` | `deltawave guard` between a store that comes and goes and clients good and bad |
//! | `guard_recover` | `deltawave guard` beside a RisingWave after a restart, played by a server of ours |
//! | `guard_vault` | `deltawave guard` with its certificate and its passwords in a Key Vault: missing, new, of no use |
//! | `eventhubs` | `producer` and `capture` at a Kafka that lets in as Event Hubs does: TLS, connection string, tokens |
//! | `https` | the `producer` binary over HTTPS, on a played event hub behind a proxy |
//! | `inspect` | `deltawave inspect`: a Capture file told to people and to jq, whole and damaged |
//! | `kafka` | the Kafka module against librdkafka's mock cluster |
//! | `lake` | `loader --route HUB=delta:…`: Delta tables, as Python's `deltalake` and DuckDB read them |
//! | `latest_state` | that the latest state is the newest event of each user, and how a former one is replaced |
//! | `live` | `loader --live`: rows before their file, once after it, and none where the key is not the file's |
//! | `loader` | the `loader` binary on Azurite and a store: what is loaded from which files into which tables |
//! | `loader_bad` | the same with bad records, files, tables and addresses: rejected, quarantined, refused |
//! | `loader_faults` | the same with servers that are away and loaders that are killed: nothing lost, nothing twice |
//! | `loader_forgets` | a RisingWave that forgets acknowledged rows, killed and recovered a thousand times |
//! | `loader_found` | what a loader takes for a finished file, how it finds it, and what it says when there is none |
//! | `loader_health` | what a running loader says of itself over HTTP, and that `docs/metrics.md` says the same |
//! | `loader_kills` | loaders killed at every named moment and at random ones: nothing lost, nothing twice |
//! | `loader_logs` | what a loader says: JSON where it is asked for, and never a secret |
//! | `loader_memory` | that memory does not grow with files, blocks, or what they unpack to |
//! | `loader_outages` | connections that are cut, stall or answer nonsense, and what only a person mends |
//! | `loader_recover` | a RisingWave after a restart, played by a server of ours that also notes what it is told |
//! | `loader_scope` | loaders that take a part of the files, or write nothing |
//! | `loader_streams` | several routes in one loader: one's trouble is its own, news goes before backlog |
//! | `loader_tables` | tables of every make: what their columns keep, what the store fills itself, names and rights |
//! | `loader_values` | that every value of every column type arrives as it was sent |
//! | `loader_waiting` | files that cannot be read, each alone: they wait and are shown, and the others are loaded |
//! | `notifications` | the `loader` binary told of files by a queue, and the queue module itself |
//! | `offline` | that components start, answer, survive a restart, and end with their owner |
//! | `page` | the loader's page in a browser: what it shows, takes, refuses and costs, and pictures of it |
//! | `pipeline` | the three programs over Apache Kafka, Azurite and the store, killed and restarted in the middle |
//! | `producer` | the `producer` binary, and the library's entry point, against the mock cluster |
//! | `programs_health` | what a running producer and capture say of themselves over HTTP, and that `docs/metrics.md` says the same |
//! | `prometheus` | a real Prometheus beside a pipeline: every query of every panel and rule finds series, and the store answers every SQL |
//! | `prune` | `deltawave prune --before`: what is old goes, the latest state stays, and all stays provable |
//! | `registry` | bodies by a schema registry: a real one and another's serializer, and registries that are away or refuse |
//! | `replay` | `deltawave replay`: what lacks is loaded again, that and nothing else, and proven |
//! | `secrets` | that no program writes a secret anywhere, whatever form it is given in and whatever fails |
//! | `store_tls` | TLS to the store: every mode against certificates good and bad |
//! | `store_users` | the users that `deltawave init` makes, and passwords that change while a loader runs |
//! | `table` | `deltawave table`: the table that files ask for, made, loaded, and held against what is there |
//! | `traces` | what programs tell an OpenTelemetry collector and Application Insights, which are played, of each file |
//! | `up` | `deltawave up` and `deltawave init`, as a user runs them |
//! | `verify` | `deltawave verify` and `deltawave status`: what is whole is proven, what is not is named |
//! | `support` | nothing: the shared components, databases, Capture files and processes for each test |
//!
//! What a test needs is fetched and started by the test run. A component that does not start fails every test that
//! wants it.
//!
//! With `DELTAWAVE_TEST_STORE_URL` (a libpq URL without a password) the tests of programs that write to a store do so in
//! databases of their own on that server, a RisingWave, instead of PostgreSQL.

mod amqp;
mod azure;
mod blob;
mod capture;
mod circles;
mod debezium;
mod docs;
mod doctor;
mod eventhubs;
mod evolve;
mod forget;
mod forget_rows;
mod formats;
mod guard;
mod guard_recover;
mod guard_vault;
mod https;
mod inspect;
mod kafka;
mod lake;
mod latest_state;
mod live;
mod loader;
mod loader_bad;
mod loader_faults;
mod loader_forgets;
mod loader_found;
mod loader_health;
mod loader_kills;
mod loader_logs;
mod loader_memory;
mod loader_outages;
mod loader_recover;
mod loader_scope;
mod loader_streams;
mod loader_tables;
mod loader_values;
mod loader_waiting;
mod notifications;
mod offline;
mod page;
mod pipeline;
mod producer;
mod programs_health;
mod prometheus;
mod prune;
mod registry;
mod replay;
mod secrets;
mod store_tls;
mod store_users;
mod support;
mod table;
mod traces;
mod up;
mod verify;
mod verify_deep;
