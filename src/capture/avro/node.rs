/// How to walk over a datum of some type without making anything of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Fixed(usize),
    Long,
    Bytes,
    Union(Vec<Node>),
    Record(Vec<Node>),
    Array(Box<Node>),
    Map(Box<Node>),
}
