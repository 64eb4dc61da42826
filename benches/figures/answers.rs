//! The golden questions, asked through the command as a user would.

use std::path::Path;

use serde_json::Value;

use crate::rig::{folder, footnote};
use crate::{Target, figure};

pub fn measure() {
    let data = folder();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let arguments = ["eval", fixtures.to_str().unwrap(), "--json", "--quiet", "--mode", "hybrid,dense,sparse"];
    let output = footnote(data.path(), &arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(answers) = line.get("answers") else {
            let name = format!("golden questions, {}: nDCG@10", line["mode"].as_str().unwrap());
            figure(&name, line["ndcg_at_10"].as_f64().unwrap(), "", Target::None);
            continue;
        };
        let value = |name: &str| answers[name].as_f64().unwrap();
        figure("golden questions: cited document is right", value("document"), "", Target::AtLeast(0.95));
        figure("golden questions: quote overlaps the known one", value("quote"), "", Target::AtLeast(0.90));
        figure("golden questions: precision of refusal", value("refusal_precision"), "", Target::AtLeast(0.85));
        figure("golden questions: recall of refusal", value("refusal_recall"), "", Target::AtLeast(0.85));
        figure("golden questions: ranges that slice to their quote", value("exact"), "", Target::AtLeast(1.0));
    }
}
