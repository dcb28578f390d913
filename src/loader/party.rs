/// Who can be in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// The blob endpoint.
    Blob,
    /// The SQL store.
    Store,
    /// The queue of notifications. Loading goes on without it.
    Queue,
    /// The schema registry.
    Registry,
    /// A Delta table.
    Lake,
}

impl Party {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Party::Blob => "blob",
            Party::Store => "store",
            Party::Queue => "queue",
            Party::Registry => "registry",
            Party::Lake => "lake",
        }
    }
}
