//! Gzip and zstd, recognised by the first bytes of a file.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

/// A reader of the uncompressed contents of a file.
///
/// # Errors
///
/// If the file cannot be read, or has a format that is recognised but not supported.
pub fn decompressed(mut file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    file.by_ref().take(10).read_to_end(&mut start)?;
    let format = Format::of(&start);
    let whole = Cursor::new(start).chain(file);
    match format {
        Format::Plain => Ok(Box::new(whole)),
        Format::Gzip => Ok(Box::new(Whole(Gzip::new(whole)))),
        Format::Zstd => Ok(Box::new(Whole(zstd::Decoder::new(whole)?))),
        Format::Refused(reason) => Err(io::Error::new(io::ErrorKind::InvalidData, reason)),
    }
}

/// Whether a file that begins with `start`, its first ten bytes, is not compressed.
pub fn is_plain(start: &[u8]) -> bool {
    matches!(Format::of(start), Format::Plain)
}

enum Format {
    Plain,
    Gzip,
    Zstd,
    Refused(&'static str),
}

impl Format {
    /// The format of a file that begins with `start`.
    fn of(start: &[u8]) -> Self {
        match *start {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // Zstd's data frames and skippable frames.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Self::Refused(
                "it is compressed by xz; uncompress it first (xz -d), or use gzip or zstd",
            ),
            [
                b'B',
                b'Z',
                b'h',
                b'1'..=b'9',
                0x31,
                0x41,
                0x59,
                0x26,
                0x53,
                0x59,
            ] => Self::Refused(
                "it is compressed by bzip2; uncompress it first (bzip2 -d), or use gzip or zstd",
            ),
            [b'P', b'K', 3, 4, ..] => {
                Self::Refused("it is a zip archive; unpack it first (unzip), or use gzip or zstd")
            }
            _ => Self::Plain,
        }
    }
}

/// A reader that explains the error at the end of a truncated file.
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the compressed file is cut off; copy it again",
            ),
            _ => error,
        })
    }
}

/// Uncompresses all members of a gzip file; like the program gzip, it skips zeros after them.
struct Gzip<R> {
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Gzip<R> {
    fn new(file: R) -> Self {
        Self {
            member: Some(GzDecoder::new(BufReader::new(file))),
        }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let rest = self.member.take().map(GzDecoder::into_inner);
            if let Some(mut rest) = rest
                && skip_zeros(&mut rest)?
            {
                if rest.fill_buf()?.first() != Some(&0x1F) {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "something else follows what is compressed; remove it",
                    ));
                }
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Skips zeros; false if nothing is left after them.
fn skip_zeros(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = rest.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        let is_all = zeros == buffer.len();
        rest.consume(zeros);
        if !is_all {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &str = "emma\nolivia\n";

    fn gzip() -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(TEXT.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    fn zstd() -> Vec<u8> {
        zstd::encode_all(TEXT.as_bytes(), 1).unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        decompressed(Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn formats_are_recognised_by_their_content() {
        for bytes in [TEXT.as_bytes().to_vec(), gzip(), zstd()] {
            assert_eq!(read(bytes).unwrap(), TEXT);
        }
        assert_eq!(read(b"BZh9 is a word".to_vec()).unwrap(), "BZh9 is a word");
        assert_eq!(read(Vec::new()).unwrap(), "");
    }

    #[test]
    fn several_members_are_one_file() {
        for bytes in [[gzip(), gzip()].concat(), [zstd(), zstd()].concat()] {
            assert_eq!(read(bytes).unwrap(), TEXT.repeat(2));
        }
    }

    #[test]
    fn gzip_padded_with_zeros_is_read_as_gzip_reads_it() {
        for zeros in [1, 511, 100_000] {
            assert_eq!(read([gzip(), vec![0; zeros]].concat()).unwrap(), TEXT);
            let twice = [gzip(), vec![0; zeros], gzip()].concat();
            assert_eq!(read(twice).unwrap(), TEXT.repeat(2));
        }
        let garbage = read([gzip(), b"garbage".to_vec()].concat());
        assert!(
            garbage
                .unwrap_err()
                .to_string()
                .contains("something else follows")
        );
    }

    #[test]
    fn zstd_with_a_skippable_frame_in_front_is_zstd() {
        let skippable = [&[0x53, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        assert_eq!(read([skippable, zstd()].concat()).unwrap(), TEXT);
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_not_a_shorter_list() {
        for bytes in [gzip(), zstd()] {
            for length in 4..bytes.len() {
                let error = read(bytes[..length].to_vec()).unwrap_err().to_string();
                assert!(error.contains("is cut off"), "{length}: {error}");
            }
        }
    }

    #[test]
    fn formats_that_are_not_read_are_named() {
        for (bytes, name) in [
            (&b"\xFD7zXZ\0\0\x04"[..], "xz"),
            (b"BZh91AY&SY\x01", "bzip2"),
            (b"PK\x03\x04\x14", "zip"),
        ] {
            let error = read(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
