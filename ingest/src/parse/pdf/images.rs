//! The picture that a scanned page is. Knows the library's types. Imports
//! nothing of the crate.

use pdf_oxide::extractors::images::{ImageData, PdfFilter, PdfImageHandle};
use pdf_oxide::{Error, PdfDocument};

/// Part of its page that a scan covers at least; nothing else stands there.
const LEAST_COVER: f32 = 0.05;
/// Pixels that a scan has at most: 100 million are A3 at 850 dots per inch.
const MOST_PIXELS: u64 = 100_000_000;
/// Least width and height of a scan, in pixels.
const LEAST_PIXELS: u32 = 64;

/// A scanned page, as an image file.
pub(super) struct Scan {
    pub(super) bytes: Vec<u8>,
    /// What its name ends with.
    pub(super) extension: &'static str,
}

/// Whether a page has a picture that is no mere ornament.
pub(super) fn is_scan(document: &PdfDocument, index: usize) -> pdf_oxide::Result<bool> {
    Ok(largest(document, index)?.is_some())
}

/// The largest image of a page, if it is no mere ornament.
fn largest(document: &PdfDocument, index: usize) -> pdf_oxide::Result<Option<PdfImageHandle<'_>>> {
    let (left, bottom, right, top) = document.get_page_media_box(index)?;
    let area = ((right - left) * (top - bottom)).abs();
    let cover = |image: &PdfImageHandle<'_>| (image.bbox.width * image.bbox.height).abs();
    let images = document.page_image_handles(index)?;
    let largest = images.into_iter().max_by(|a, b| cover(a).total_cmp(&cover(b)));
    Ok(largest.filter(|image| area > 0.0 && cover(image) >= LEAST_COVER * area))
}

/// The picture that a page is, as an image file.
pub(super) fn scan(document: &PdfDocument, index: usize) -> pdf_oxide::Result<Option<Scan>> {
    let Some(image) = largest(document, index)? else { return Ok(None) };
    let pixels = u64::from(image.width) * u64::from(image.height);
    if pixels > MOST_PIXELS || image.width.min(image.height) < LEAST_PIXELS {
        return Err(Error::Image("a scan of this size is not read".to_owned()));
    }
    if image.filter_chain == [PdfFilter::JPXDecode] {
        return Ok(Some(Scan { bytes: image.raw_compressed_bytes()?, extension: "jp2" }));
    }
    let decoded = image.decode()?;
    // Files of four inks are not read by every program.
    let scan = match decoded.data() {
        ImageData::Jpeg(bytes) if decoded.color_space().components() != 4 => {
            Scan { bytes: bytes.clone(), extension: "jpg" }
        }
        _ => Scan { bytes: decoded.to_png_bytes()?, extension: "png" },
    };
    Ok(Some(scan))
}
