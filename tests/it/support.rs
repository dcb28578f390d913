//! Servers the tests need. A missing one fails the test: it never passes it silently.

/// A running Azurite.
pub struct Azurite(String);

impl Azurite {
    pub fn blob_endpoint(&self) -> &str {
        &self.0
    }
}

pub async fn azurite() -> Azurite {
    Azurite(std::env::var("DELTAWAVE_TEST_AZURITE").expect("DELTAWAVE_TEST_AZURITE names Azurite's blob endpoint"))
}
