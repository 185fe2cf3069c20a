#!/usr/bin/env bash
# fuzz/seed.sh FOLDER: seeds the fuzz corpora of everything that reads whole mails from any folder of mails.
# fuzz/seed.sh --transcripts FOLDER: seeds those of everything that reads IMAP servers, from server lines in base64 (*.jsonl, key
# b64), recorded sessions (*.raw), lines (*.txt), and what servers say in our own transcripts, the RFCs' examples among it.
# Files over 64 KiB are left out: a fuzzer learns nothing from size. Names are content hashes, so it can be repeated.
set -euo pipefail
usage() {
    echo "usage: fuzz/seed.sh [--transcripts] FOLDER" >&2
    exit 2
}
kind=mails
[ "${1:-}" = --transcripts ] && { kind=transcripts; shift; }
[ $# = 1 ] && [ -d "$1" ] || usage
here=$(cd "$(dirname "$0")" && pwd)
count=0

# seed FILE TARGET…
seed() {
    local file=$1 name
    shift
    name=$(sha1sum <"$file" | cut -c1-40)
    for target in "$@"; do cp "$file" "$here/corpus/$target/$name"; done
    count=$((count + 1))
}

if [ "$kind" = mails ]; then
    targets=(mime_entity event archive differential)
    for target in "${targets[@]}"; do mkdir -p "$here/corpus/$target"; done
    while IFS= read -r -d '' file; do seed "$file" "${targets[@]}"; done \
        < <(find "$1" -type f -size -64k -print0)
    echo "$count mails seeded into $here/corpus/{mime_entity,event,archive,differential}"
    exit
fi

mkdir -p "$here/corpus/imap_response"
piece=$(mktemp)
trap 'rm -f "$piece"' EXIT
while IFS= read -r -d '' file; do
    while IFS= read -r line; do
        { base64 -d <<<"$line" && printf '\r\n'; } >"$piece"
        seed "$piece" imap_response
    done < <(sed -n 's/.*"b64": *"\([^"]*\)".*/\1/p' "$file")
done < <(find "$1" -type f -name '*.jsonl' -print0)
while IFS= read -r -d '' file; do
    while IFS= read -r line; do
        printf '%s\r\n' "${line%$'\r'}" >"$piece"
        seed "$piece" imap_response
    done <"$file"
done < <(find "$1" -type f -name '*.txt' -print0)
while IFS= read -r -d '' file; do seed "$file" imap_response; done \
    < <(find "$1" -type f -name '*.raw' -size -64k -print0)
for file in "$here"/../testdata/imap/*.transcript; do
    # `S:` ends with CRLF, `S~` with LF, `S|` without a line end.
    sed -n -e 's/^S: \{0,1\}\(.*\)$/\1\r/p' -e 's/^S~ \{0,1\}//p' -e 's/^S| //p' "$file" >"$piece"
    seed "$piece" imap_response
done
echo "$count pieces of conversations seeded into $here/corpus/imap_response"
