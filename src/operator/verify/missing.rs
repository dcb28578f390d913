use std::collections::HashSet;

use super::error::VerifyError;
use super::finding::Findings;
use super::records::Records;
use crate::capture::SequenceNumber;
use crate::ledger::Span;

/// Ranges this short are read rather than halved further.
const SHORT: i64 = 512;

impl Records<'_> {
    /// Which of numbers that should all be there are in neither table, by halves.
    pub(super) async fn missing(&self, span: Span) -> Result<Vec<Span>, VerifyError> {
        let mut missing: Vec<Span> = Vec::new();
        let mut parts = vec![span];
        while let Some(span) = parts.pop() {
            let Span { first: SequenceNumber(first), last: SequenceNumber(last) } = span;
            let both = self.both(span).await?;
            let there = both.accounted();
            if there == 0 {
                push(&mut missing, span);
            } else if last - first < SHORT {
                let mut there: HashSet<i64> =
                    self.session.identities(&self.numbers(span)).await?.iter().map(|(number, _)| number.0).collect();
                there.extend(self.gone.within(span).iter().map(|record| record.number.0));
                for number in (first..=last).filter(|number| !there.contains(number)).map(SequenceNumber) {
                    push(&mut missing, Span { first: number, last: number });
                }
            } else if both.rejected.numbers + both.gone.rows + both.gone.rejected > 0
                || i64::try_from(there) != Ok(last - first + 1)
            {
                let middle = first + (last - first) / 2;
                parts.push(Span { first: SequenceNumber(middle + 1), last: span.last });
                parts.push(Span { first: span.first, last: SequenceNumber(middle) });
            }
        }
        Ok(missing)
    }

    /// Names rows that stand twice, and says whether there are any.
    pub(super) async fn doubles(
        &self,
        span: Span,
        blob: Option<&str>,
        findings: &mut Findings<'_>,
    ) -> Result<bool, VerifyError> {
        let doubled = self.session.doubled(&self.numbers(span), self.coverage.is_indexed(), 100).await?;
        for (number, at, times) in &doubled {
            let one = Span { first: *number, last: *number };
            let text = format!("{times} rows of {} are this one record (enqueued {at})", self.target);
            let cure = "delete all but one, and make event_hub, partition_id, sequence_number and enqueued_at the \
                        table's primary key";
            match blob {
                Some(blob) => findings.double((one, blob), text, cure),
                None => findings.double(one, text, cure),
            }
        }
        Ok(!doubled.is_empty())
    }
}

/// Adds numbers to those before them.
pub(super) fn push(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        Some(last) if last.last.next() == span.first => last.last = span.last,
        _ => spans.push(span),
    }
}
