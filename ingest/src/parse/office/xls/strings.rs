//! Strings of a binary workbook: UTF-16, the upper bytes left out where all
//! are zero; long ones go on in further records. Imports nothing of the crate.

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GBK, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256, WINDOWS_1257, WINDOWS_1258,
};

/// Flags of a string.
const WIDE: u8 = 0x01;
const EXTENDED: u8 = 0x04;
const RICH: u8 = 0x08;

/// The encoding of a code page; that of Western Europe for one that is unknown.
pub(super) fn code_page(number: u16) -> &'static Encoding {
    match number {
        874 => WINDOWS_874,
        932 => SHIFT_JIS,
        936 => GBK,
        949 => EUC_KR,
        950 => BIG5,
        1250 => WINDOWS_1250,
        1251 => WINDOWS_1251,
        1253 => WINDOWS_1253,
        1254 => WINDOWS_1254,
        1255 => WINDOWS_1255,
        1256 => WINDOWS_1256,
        1257 => WINDOWS_1257,
        1258 => WINDOWS_1258,
        10_000 | 32_768 => MACINTOSH,
        65_001 => UTF_8,
        _ => WINDOWS_1252,
    }
}

/// The string of `length` units that starts with its flags.
pub(super) fn unicode(data: &[u8], length: usize) -> String {
    let parts = [data];
    let mut cursor = Cursor::new(&parts);
    cursor.flagged(length).unwrap_or_default()
}

/// The strings that cells share, from the record and those that continue it.
pub(super) fn shared(parts: &[&[u8]]) -> Vec<String> {
    let mut cursor = Cursor::new(parts);
    let mut strings = Vec::new();
    // How often they are used, and how many they are: the records say that better.
    if cursor.skip(8).is_none() {
        return strings;
    }
    while let Some(length) = cursor.u16()
        && let Some(string) = cursor.flagged(usize::from(length))
    {
        strings.push(string);
    }
    strings
}

/// A place in the data of a record and of those that continue it.
struct Cursor<'d> {
    parts: &'d [&'d [u8]],
    part: usize,
    at: usize,
}

impl<'d> Cursor<'d> {
    fn new(parts: &'d [&'d [u8]]) -> Self {
        Self { parts, part: 0, at: 0 }
    }

    fn u8(&mut self) -> Option<u8> {
        loop {
            let part = self.parts.get(self.part)?;
            if let Some(byte) = part.get(self.at) {
                self.at += 1;
                return Some(*byte);
            }
            self.part += 1;
            self.at = 0;
        }
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let part = self.parts.get(self.part)?;
            let step = count.min(part.len() - self.at);
            count -= step;
            self.at += step;
            if count > 0 {
                self.part += 1;
                self.at = 0;
            }
        }
        Some(())
    }

    /// A string of `length` units: its flags, how much follows it, and itself.
    fn flagged(&mut self, length: usize) -> Option<String> {
        let flags = self.u8()?;
        let runs = if flags & RICH == 0 { 0 } else { usize::from(self.u16()?) };
        let extension =
            if flags & EXTENDED == 0 { 0 } else { usize::from(self.u16()?) | usize::from(self.u16()?) << 16 };
        let string = self.units(length, flags & WIDE != 0);
        // What cannot be skipped is the end of them all.
        let _ = self.skip(runs * 4 + extension);
        Some(string)
    }

    /// Units, as far as there are any. Each further record starts with flags.
    fn units(&mut self, length: usize, mut is_wide: bool) -> String {
        let mut units = Vec::with_capacity(length.min(1024));
        while units.len() < length {
            let Some(part) = self.parts.get(self.part) else { break };
            let (size, rest) = (if is_wide { 2 } else { 1 }, &part[self.at..]);
            let taken = (length - units.len()).min(rest.len() / size);
            let unit = |unit: &[u8]| u16::from_le_bytes([unit[0], unit.get(1).copied().unwrap_or_default()]);
            units.extend(rest[..taken * size].chunks_exact(size).map(unit));
            self.at += taken * size;
            if units.len() < length {
                self.part += 1;
                self.at = 0;
                let Some(flags) = self.parts.get(self.part).and_then(|part| part.first()) else { break };
                is_wide = flags & WIDE != 0;
                self.at = 1;
            }
        }
        String::from_utf16_lossy(&units)
    }
}
