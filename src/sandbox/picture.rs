//! Small valid pictures made in code, each by its name, and what kind of file some bytes are.

use sha2::{Digest, Sha256};

const SIDE: u32 = 8;

/// A PNG of 8 by 8 pixels. The same name gives the same bytes, another name other ones.
#[must_use]
pub fn png(name: &str) -> Vec<u8> {
    let digest = Sha256::digest(name);
    // One bit of the name's digest a pixel, mirrored, between two colours of it.
    let [first, second] = [digest.first_chunk::<3>(), digest.last_chunk::<3>()];
    let (first, second) = (first.copied().unwrap_or_default(), second.copied().unwrap_or([255; 3]));
    let mut pixels = Vec::new();
    for (row, bits) in (0..SIDE).zip(digest.iter().skip(3)) {
        // Every row begins with the number of its filter: none.
        pixels.push(0);
        for column in 0..SIDE {
            let bit = column.min(SIDE - 1 - column) + row % 2;
            pixels.extend(if bits >> bit & 1 == 1 { first } else { second });
        }
    }
    let mut header = Vec::new();
    header.extend(SIDE.to_be_bytes());
    header.extend(SIDE.to_be_bytes());
    // Eight bits a channel, true colour, and the only compression, filter and interlacing there are.
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &stored(&pixels));
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// The content type that the first bytes tell, of the two that both platforms take.
#[must_use]
pub fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        _ => None,
    }
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    file.extend(length(data).to_be_bytes());
    file.extend(name);
    file.extend(data);
    let checked: Vec<u8> = name.iter().chain(data).copied().collect();
    file.extend(crc32(&checked).to_be_bytes());
}

/// A zlib stream of one block that is not compressed.
fn stored(data: &[u8]) -> Vec<u8> {
    let size = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(size.to_le_bytes());
    stream.extend((!size).to_le_bytes());
    stream.extend(data);
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !data.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn checks_are_the_standard_ones() {
        // The check value of the CRC-32 of zip and PNG.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_picture_is_a_png_whose_pixels_can_be_read() {
        let file = png("a");
        assert_eq!(kind(&file), Some("image/png"));
        assert_eq!(&file[12..24], b"IHDR\0\0\0\x08\0\0\0\x08");
        let at = file.windows(4).position(|window| window == b"IDAT").expect("data");
        let size = u32::from_be_bytes(file[at - 4..at].try_into().expect("four bytes")) as usize;
        let mut pixels = Vec::new();
        let mut reader = flate2::read::ZlibDecoder::new(&file[at + 4..at + 4 + size]);
        reader.read_to_end(&mut pixels).expect("a zlib stream");
        assert_eq!(pixels.len(), 8 * (1 + 8 * 3));
        assert!(file.ends_with(b"IEND\xae\x42\x60\x82"));
    }

    #[test]
    fn a_name_is_a_picture() {
        assert_eq!(png("a"), png("a"));
        assert_ne!(png("a"), png("b"));
        assert_eq!(kind(b"no picture"), None);
        assert_eq!(kind(&[0xff, 0xd8, 0xff, 0xe0]), Some("image/jpeg"));
    }
}
