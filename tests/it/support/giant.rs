//! Capture files too large to be made by an encoder in a test's time.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use deltawave::capture::FileWriter;
use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, FlushCompress};

/// A file of plain events with ballast, their numbers from 0 on.
pub struct Giant {
    /// Whether blocks are deflate streams. They are stored in them as they are, which takes no time.
    pub deflate: bool,
    pub blocks: i64,
    pub records_a_block: i64,
    /// Bytes of a field that no table has a column for.
    pub ballast: usize,
}

impl Giant {
    pub fn records(&self) -> i64 {
        self.blocks * self.records_a_block
    }

    /// Writes it, and gives its size.
    pub fn write(&self, path: &Path) -> u64 {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = BufWriter::new(File::create(path).unwrap());
        let (header, sync) = header(self.deflate);
        file.write_all(&header).unwrap();
        let ballast = "x".repeat(self.ballast);
        for block in 0..self.blocks {
            let mut data = Vec::new();
            for number in block * self.records_a_block..(block + 1) * self.records_a_block {
                let body = format!(r#"{{"id":{number},"op":"insert","event_order":{number},"ballast":"{ballast}"}}"#);
                record(&mut data, number, body.len() as i64);
                data.extend_from_slice(body.as_bytes());
            }
            if self.deflate {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::none());
                encoder.write_all(&data).unwrap();
                data = encoder.finish().unwrap();
            }
            let mut numbers = Vec::new();
            long(&mut numbers, self.records_a_block);
            long(&mut numbers, data.len() as i64);
            for part in [&numbers[..], &data, &sync] {
                file.write_all(part).unwrap();
            }
        }
        file.into_inner().unwrap().metadata().unwrap().len()
    }
}

/// A file with one record, of so many times 16 MiB.
pub fn bomb(path: &Path, times: usize) -> u64 {
    const PIECE: usize = 16 << 20;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (mut file, sync) = header(true);
    let mut start = Vec::new();
    record(&mut start, 0, (PIECE * times) as i64);
    // What follows a full flush stands for itself, and so may be repeated.
    let mut data = flushed(&start, FlushCompress::Full);
    let piece = flushed(&vec![b' '; PIECE], FlushCompress::Full);
    (0..times).for_each(|_| data.extend_from_slice(&piece));
    data.extend(flushed(&[], FlushCompress::Finish));
    long(&mut file, 1);
    long(&mut file, data.len() as i64);
    file.extend(data);
    file.extend(sync);
    std::fs::write(path, &file).unwrap();
    file.len() as u64
}

fn flushed(data: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 100 + 1000);
    Compress::new(Compression::best(), false).compress_vec(data, &mut out, flush).unwrap();
    assert!(out.len() < out.capacity(), "its end may be missing");
    out
}

/// A file's header and the marker that ends blocks.
fn header(deflate: bool) -> (Vec<u8>, Vec<u8>) {
    let header = FileWriter::new(deflate).unwrap().finish().unwrap();
    let sync = header[header.len() - 16..].to_vec();
    (header, sync)
}

/// A record up to its body of that length.
fn record(out: &mut Vec<u8>, number: i64, body: i64) {
    long(out, number);
    for text in ["0", "1/2/2026 3:04:05 AM"] {
        long(out, text.len() as i64);
        out.extend_from_slice(text.as_bytes());
    }
    // No properties of either kind, and a body that is not null.
    [0, 0, 1, body].into_iter().for_each(|number| long(out, number));
}

fn long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
