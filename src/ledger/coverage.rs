use super::Span;
use crate::capture::{EnqueuedTime, SequenceNumber};

/// A file of the ledger, as far as it matters for what is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredFile {
    /// The container it is in.
    pub container: String,
    /// Its name there.
    pub blob: String,
    /// Which version of it was loaded.
    pub etag: String,
    /// When its window started, in a form that sorts by time.
    pub window_start: String,
    /// Its sequence numbers; `None` for a silent window.
    pub span: Option<Span>,
    /// Records it has.
    pub records: u64,
    /// Records that are in the table.
    pub loaded: u64,
    /// Rows that they are.
    pub rows: u64,
    /// Whether the table tells several rows of a record apart.
    pub is_indexed: bool,
    /// Records that are in `rejected_events`.
    pub rejected: u64,
    /// Records that are in neither, as their route wants it.
    pub skipped: u64,
    /// How it ended.
    pub state: FileState,
}

impl CoveredFile {
    /// When its window started.
    pub fn window(&self) -> Option<EnqueuedTime> {
        EnqueuedTime::parse_sql(&self.window_start)
    }
}

/// How a file of the ledger ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Every record of it was loaded or rejected.
    Loaded,
    /// It is bad from some byte on, in that way; what precedes was loaded or rejected.
    Damaged(String),
    /// The store takes its records and does not keep them.
    NotKept(String),
    /// Its rows were deleted for their age.
    Pruned,
}

/// Sequence numbers that no file of a partition holds, though later ones are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What is missing.
    pub missing: Span,
    /// The file that ends before it.
    pub after: String,
    /// The file that begins behind it.
    pub before: String,
}

/// Neighbouring files whose numbers leave nothing out, to be counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// From the first number to the last.
    pub span: Span,
    /// The files, by their places in [`Coverage::files`], in the order of their numbers.
    pub files: Vec<usize>,
    /// Records they have.
    pub records: u64,
    /// Records of them that are in the table.
    pub loaded: u64,
    /// Rows that those are.
    pub rows: u64,
    /// Records of them that were rejected.
    pub rejected: u64,
    /// Whether some numbers are in several files: the same records twice, or records of a hub that was made anew.
    pub overlaps: bool,
}

/// Files that share numbers, directly or through each other; most often a single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// From the first number to the last.
    pub span: Span,
    /// The files, by their places in [`Coverage::files`].
    pub files: Vec<usize>,
}

/// What the files of one partition cover. Pruned ones count for what is missing between files, and for nothing else.
///
/// Numbers start again when a hub is made anew, so files are followed in the order of their windows:
///
/// | a file begins | it |
/// |---|---|
/// | right behind the end of a life | continues that life |
/// | further behind the end of the newest life | continues it, and leaves a gap |
/// | at or before the end of the newest life | begins a new life: the hub was made anew, or records were captured twice |
///
/// What precedes a life's first file is no gap: Capture may have been switched on late.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    files: Vec<CoveredFile>,
    gaps: Vec<Gap>,
    lives: Vec<Life>,
    newest: usize,
}

#[derive(Debug, Clone)]
struct Life {
    last: SequenceNumber,
    blob: String,
}

impl Coverage {
    /// What these files of one partition and table cover.
    pub fn of(mut files: Vec<CoveredFile>) -> Coverage {
        files.sort_by(|a, b| {
            let key = |file: &CoveredFile| file.span.map(|span| (span.first, span.last));
            (&a.window_start, key(a), &a.blob).cmp(&(&b.window_start, key(b), &b.blob))
        });
        let mut coverage = Coverage { files, ..Coverage::default() };
        for at in 0..coverage.files.len() {
            coverage.follow(at);
        }
        coverage
    }

    fn follow(&mut self, at: usize) {
        let CoveredFile { blob, span: Some(span), .. } = &self.files[at] else { return };
        let continued = (0..self.lives.len()).rev().find(|life| self.lives[*life].last.next() == span.first);
        let behind = self.lives.get(self.newest).is_some_and(|newest| newest.last < span.first);
        let life = match continued {
            Some(life) => life,
            None if behind => {
                let newest = &self.lives[self.newest];
                let missing = Span { first: newest.last.next(), last: SequenceNumber(span.first.0 - 1) };
                self.gaps.push(Gap { missing, after: newest.blob.clone(), before: blob.clone() });
                self.newest
            }
            None => {
                self.lives.push(Life { last: span.last, blob: blob.clone() });
                self.lives.len() - 1
            }
        };
        self.lives[life] = Life { last: span.last, blob: blob.clone() };
        self.newest = life;
    }

    /// The files, in the order of their windows.
    pub fn files(&self) -> &[CoveredFile] {
        &self.files
    }

    /// Whether the table tells several rows of a record apart.
    pub fn is_indexed(&self) -> bool {
        self.files.iter().any(|file| file.is_indexed)
    }

    /// What is missing between files.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// How often numbers began again.
    pub fn restarts(&self) -> usize {
        self.lives.len().saturating_sub(1)
    }

    /// The last number of the newest file that has any.
    pub fn last(&self) -> Option<SequenceNumber> {
        self.lives.get(self.newest).map(|life| life.last)
    }

    /// The lowest and the highest number of all.
    pub fn span(&self) -> Option<Span> {
        let spans = self.files.iter().filter_map(|file| file.span);
        spans.reduce(|all, span| Span { first: all.first.min(span.first), last: all.last.max(span.last) })
    }

    /// Those whose records are to be there: all but the pruned.
    pub fn kept(&self) -> impl Iterator<Item = &CoveredFile> {
        self.files.iter().filter(|file| file.state != FileState::Pruned)
    }

    /// A sum over the files that are not pruned.
    pub fn sum(&self, what: impl Fn(&CoveredFile) -> u64) -> u64 {
        self.kept().map(what).sum()
    }

    /// The numbers of pruned files, in order, neighbours together.
    pub fn pruned(&self) -> Vec<Span> {
        let pruned = self.files.iter().filter(|file| file.state == FileState::Pruned);
        merged(pruned.filter_map(|file| file.span))
    }

    /// The files that are not pruned and have records, in the order of their numbers, those that share any together.
    pub fn clusters(&self) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for (span, at) in self.by_number() {
            match clusters.last_mut() {
                Some(last) if span.first <= last.span.last => {
                    last.span.last = last.span.last.max(span.last);
                    last.files.push(at);
                }
                _ => clusters.push(Cluster { span, files: vec![at] }),
            }
        }
        clusters
    }

    fn by_number(&self) -> Vec<(Span, usize)> {
        let kept = self.files.iter().enumerate().filter(|(_, file)| file.state != FileState::Pruned);
        let mut order: Vec<(Span, usize)> = kept.filter_map(|(at, file)| Some((file.span?, at))).collect();
        order.sort_by_key(|(span, at)| (span.first, span.last, *at));
        order
    }

    /// All files with records that are not pruned, in chunks of about `most` records that do not share a number. A chunk leaves no number
    /// out, unless `across_gaps`.
    pub fn chunks(&self, most: u64, across_gaps: bool) -> Vec<Chunk> {
        let mut chunks: Vec<Chunk> = Vec::new();
        for (span, at) in self.by_number() {
            let CoveredFile { records, loaded, rows, rejected, .. } = self.files[at];
            match chunks.last_mut() {
                Some(chunk) if chunk.takes(span, most, across_gaps) => {
                    chunk.overlaps |= span.first <= chunk.span.last;
                    chunk.span.last = chunk.span.last.max(span.last);
                    chunk.files.push(at);
                    chunk.records += records;
                    chunk.loaded += loaded;
                    chunk.rows += rows;
                    chunk.rejected += rejected;
                }
                _ => chunks.push(Chunk { span, files: vec![at], records, loaded, rows, rejected, overlaps: false }),
            }
        }
        chunks
    }
}

impl Chunk {
    fn takes(&self, span: Span, most: u64, across_gaps: bool) -> bool {
        span.first <= self.span.last
            || (self.records < most && !self.overlaps && (across_gaps || span.first == self.span.last.next()))
    }
}

/// Spans in order, those that share numbers or follow each other as one.
pub fn merged(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.collect();
    spans.sort_by_key(|span| (span.first, span.last));
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.first <= last.last.next() => last.last = last.last.max(span.last),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of one window each, given by their first and last numbers.
    fn coverage(spans: &[(i64, i64)]) -> Coverage {
        let file = |(window, (first, last)): (usize, &(i64, i64))| {
            let records = u64::try_from(last - first + 1).unwrap();
            CoveredFile {
                container: "c".to_owned(),
                blob: format!("{window}"),
                etag: String::new(),
                window_start: format!("{window:04}"),
                span: (records > 0).then_some(Span { first: SequenceNumber(*first), last: SequenceNumber(*last) }),
                records,
                loaded: records,
                rows: records,
                is_indexed: false,
                rejected: 0,
                skipped: 0,
                state: FileState::Loaded,
            }
        };
        Coverage::of(spans.iter().enumerate().map(file).collect())
    }

    fn gaps(spans: &[(i64, i64)]) -> Vec<(i64, i64)> {
        coverage(spans).gaps().iter().map(|gap| (gap.missing.first.0, gap.missing.last.0)).collect()
    }

    #[test]
    fn a_gap_is_what_neither_life_of_a_hub_explains() {
        assert_eq!(gaps(&[]), []);
        assert_eq!(gaps(&[(7, 9), (10, 10), (11, 20)]), []);
        // A silent window is no gap.
        assert_eq!(gaps(&[(0, 9), (0, -1), (10, 19)]), []);
        assert_eq!(gaps(&[(0, 9), (15, 19), (22, 30)]), [(10, 14), (20, 21)]);
        // Made anew, where a view that sorts by numbers would see a gap, or none.
        assert_eq!(gaps(&[(5000, 5999), (0, 99), (100, 199)]), []);
        assert_eq!(gaps(&[(0, 999), (0, 99), (150, 199)]), [(100, 149)]);
        // Captured twice for a while.
        assert_eq!(gaps(&[(0, 99), (100, 199), (50, 149), (200, 299)]), []);
        assert_eq!(gaps(&[(0, 99), (50, 149), (100, 199), (150, 299), (300, 399)]), []);
    }

    #[test]
    fn the_newest_life_is_the_one_that_lags() {
        assert_eq!(coverage(&[]).last(), None);
        assert_eq!(coverage(&[(0, 9), (10, 19), (0, -1)]).last(), Some(SequenceNumber(19)));
        let anew = coverage(&[(0, 999), (0, 9)]);
        assert_eq!((anew.last(), anew.restarts()), (Some(SequenceNumber(9)), 1));
        assert_eq!(anew.span().map(|span| span.last.0), Some(999));
    }

    #[test]
    fn files_that_share_numbers_are_one_cluster() {
        let clusters = coverage(&[(0, 9), (5, 14), (15, 19), (100, 100), (0, 3)]).clusters();
        let shown: Vec<_> =
            clusters.iter().map(|cluster| (cluster.span.first.0, cluster.span.last.0, cluster.files.len())).collect();
        assert_eq!(shown, [(0, 14, 3), (15, 19, 1), (100, 100, 1)]);
    }

    #[test]
    fn chunks_share_no_number_and_leave_none_out() {
        let shown = |spans: &[(i64, i64)], across| {
            let chunks = coverage(spans).chunks(25, across);
            chunks
                .iter()
                .map(|chunk| (chunk.span.first.0, chunk.span.last.0, chunk.loaded, chunk.overlaps))
                .collect::<Vec<_>>()
        };
        let tens = [(0, 9), (10, 19), (20, 29), (30, 39)];
        assert_eq!(shown(&tens, false), [(0, 29, 30, false), (30, 39, 10, false)]);
        let gap = [(0, 9), (15, 19)];
        assert_eq!(shown(&gap, false), [(0, 9, 10, false), (15, 19, 5, false)]);
        assert_eq!(shown(&gap, true), [(0, 19, 15, false)]);
        // Pruned files are no part of any, and leave no gap.
        let mut files = coverage(&[(0, 9), (10, 19), (20, 29)]).files().to_vec();
        files[1].state = FileState::Pruned;
        let pruned = Coverage::of(files);
        assert_eq!(pruned.chunks(25, false).iter().map(|chunk| chunk.loaded).collect::<Vec<_>>(), [10, 10]);
        assert_eq!((pruned.gaps().len(), pruned.sum(|file| file.loaded), pruned.pruned().len()), (0, 20, 1));
        // However large, files that share numbers stay together, and nothing follows them in the same chunk.
        assert_eq!(shown(&[(0, 30), (30, 50), (51, 60)], false), [(0, 50, 52, true), (51, 60, 10, false)]);
    }
}
