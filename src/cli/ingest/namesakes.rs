//! Files of one run that would be the same document.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use footnote_ingest::cli::Failure as Unread;

use super::inputs::Inputs;

/// Of several files with one key, which is a file's path below the folder that was
/// named, the first one has it: else they would replace each other in each run.
/// So with records. The others are told.
pub(super) fn refuse(inputs: &mut Inputs) {
    let mut first: HashMap<String, Option<String>> = HashMap::new();
    let unread = &mut inputs.unread;
    inputs.found.retain(|input| match first.entry(input.entry.key.clone()) {
        Entry::Vacant(free) => {
            free.insert(input.entry.uri.clone());
            true
        }
        // The same file, named twice.
        Entry::Occupied(taken) if !input.is_record && input.entry.uri.is_some() && *taken.get() == input.entry.uri => {
            false
        }
        Entry::Occupied(_) if input.is_record => {
            let reason = "an input before it has the same key, and only the first one is taken; give each its own";
            unread.push(Unread { key: input.entry.key.clone(), reason: reason.to_owned() });
            false
        }
        Entry::Occupied(taken) => {
            let other = taken.get().as_deref().unwrap_or("another input");
            let reason = format!(
                "has the same key, `{}`, as {other}; name the folder above both, or give each a collection of its own",
                input.entry.key
            );
            unread.push(Unread { key: input.entry.uri.as_ref().unwrap_or(&input.entry.key).clone(), reason });
            false
        }
    });
}
