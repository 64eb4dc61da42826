//! Forms with files: each is taken in as soon as it is here, a few at once, for
//! what each waits for most of the time is the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use footnote_ingest::rights;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use super::super::buffer::Buffer;
use super::super::error::ApiError;
use super::super::extract::holds_nul;
use super::super::nul;
use super::{About, How, Taken, Upload, unfit_priority};
use crate::error::Error;

/// Files of one request, at most.
const MAX_FILES: usize = 500;
/// Bytes of a field that is no file, at most.
const MAX_FIELD: usize = 64 * 1024;
/// Files that are taken in at once, at most.
const AT_ONCE: usize = 4;
/// Bytes that are taken in while the next file is read, at most.
const BYTES: usize = 4 * 1024 * 1024;

/// Takes in the files of a form. When one of them is refused, so are those after
/// it that are not under way already.
pub(super) async fn take_in(upload: &Arc<Upload>, form: Multipart) -> Result<Vec<Taken>, ApiError> {
    let mut files =
        Files { upload: Arc::clone(upload), under_way: VecDeque::new(), taken: Vec::new(), has_refused: false };
    let read = files.read(form).await;
    let (had_refused, ended) = (files.has_refused, files.down_to(0).await);
    // Files that are refused come before what could not be read; the first is told.
    if had_refused {
        read.and(ended)?;
    } else {
        ended.and(read)?;
    }
    if files.taken.is_empty() {
        return Err(ApiError::unprocessable("file", "the form holds no `file`"));
    }
    Ok(files.taken)
}

/// The files of a form, in its order.
struct Files {
    upload: Arc<Upload>,
    under_way: VecDeque<UnderWay>,
    taken: Vec<Taken>,
    /// Whether one of them was.
    has_refused: bool,
}

/// A file that is being taken in.
struct UnderWay {
    key: Option<String>,
    bytes: usize,
    task: JoinHandle<Result<Taken, ApiError>>,
}

impl Files {
    async fn read(&mut self, mut form: Multipart) -> Result<(), ApiError> {
        let mut about = About::default();
        let mut how = How::default();
        while let Some(field) = form.next_field().await.map_err(|error| malformed(&error))? {
            match field.name().unwrap_or_default().to_owned().as_str() {
                "file" if self.taken.len() + self.under_way.len() == MAX_FILES => {
                    return Err(ApiError::too_large(
                        "form",
                        format!("a form may hold {MAX_FILES} files; send several"),
                    ));
                }
                "file" => self.file(std::mem::take(&mut about), field, how).await?,
                "key" => about.key = Some(words(field).await?),
                "title" => about.title = Some(words(field).await?),
                "uri" => about.uri = Some(words(field).await?),
                "meta" => about.meta = Some(meta(&words(field).await?)?),
                "version" => about.version = Some(words(field).await?),
                "force" => how.force = words(field).await? == "true",
                "priority" => how.priority = number(&words(field).await?)?,
                other => {
                    let known =
                        "the form takes `file`, `key`, `title`, `uri`, `meta`, `version`, `force` and `priority`";
                    let other: String = other.chars().take(50).collect();
                    return Err(ApiError::unprocessable("form", format!("unknown field `{other}`; {known}")));
                }
            }
        }
        Ok(())
    }

    async fn file(&mut self, mut about: About, mut field: Field<'_>, how: How) -> Result<(), ApiError> {
        about.key = about.key.or_else(|| field.file_name().map(str::to_owned));
        let kind = field.content_type().filter(|kind| *kind != "application/octet-stream").map(str::to_owned);
        let mut buffer = Buffer::new();
        while let Some(part) = field.chunk().await.map_err(|error| malformed(&error))? {
            buffer.push(&part)?;
            // Refused as soon as it is too large, not after all of it came.
            let name = about.key.as_deref().unwrap_or("file");
            self.upload.app.corpus.check_size(name, buffer.bytes().len() as u64)?;
        }
        // Of two with one key the later one counts.
        let is_another = self.under_way.iter().any(|other| other.key == about.key);
        self.down_to(if is_another { 0 } else { AT_ONCE - 1 }).await?;
        let (key, bytes, upload) = (about.key.clone(), buffer.bytes().len(), Arc::clone(&self.upload));
        // A task of its own, so that no connection is held for a sender who pauses.
        let task = rights::spawn(async move { upload.take(about, kind.as_deref(), buffer.bytes(), how).await });
        self.under_way.push_back(UnderWay { key, bytes, task });
        while self.under_way.iter().map(|file| file.bytes).sum::<usize>() > BYTES {
            self.down_to(self.under_way.len() - 1).await?;
        }
        Ok(())
    }

    /// Waits until no more than `most` are under way.
    async fn down_to(&mut self, most: usize) -> Result<(), ApiError> {
        let mut refused = None;
        while self.under_way.len() > most {
            let Some(file) = self.under_way.pop_front() else { break };
            match file.task.await.map_err(|error| Error::Internal(error.into()))? {
                Ok(taken) => self.taken.push(taken),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        self.has_refused |= refused.is_some();
        refused.map_or(Ok(()), Err)
    }
}

/// The metadata of the next file.
fn meta(json: &str) -> Result<Map<String, Value>, ApiError> {
    if nul::in_json(json.as_bytes()).is_some() {
        return Err(holds_nul("meta"));
    }
    serde_json::from_str(json)
        .map_err(|error| ApiError::unprocessable("meta", format!("`meta` is no JSON object: {error}")))
}

fn number(text: &str) -> Result<i16, ApiError> {
    text.trim().parse().map_err(|_| unfit_priority())
}

async fn words(mut field: Field<'_>) -> Result<String, ApiError> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    while let Some(part) = field.chunk().await.map_err(|error| malformed(&error))? {
        bytes.extend_from_slice(&part);
        if bytes.len() > MAX_FIELD {
            return Err(ApiError::too_large(&name, format!("`{name}` may have {MAX_FIELD} bytes")));
        }
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| ApiError::unprocessable(&name, format!("`{name}` is not UTF-8")))?;
    if text.contains('\0') { Err(holds_nul(&name)) } else { Ok(text) }
}

fn malformed(error: &MultipartError) -> ApiError {
    ApiError::bad_request("form", format!("the form cannot be read: {}", error.body_text()))
}
