#!/usr/bin/env bash
# fuzz/seed.sh FOLDER: seeds the fuzz corpora of everything that reads whole mails from any folder of mails.
# Files over 64 KiB are left out: a fuzzer learns nothing from size. Names are content hashes, so it can be repeated.
set -euo pipefail
[ $# = 1 ] && [ -d "$1" ] || { echo "usage: fuzz/seed.sh FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
count=0
for target in mime_entity event archive differential; do mkdir -p "$here/corpus/$target"; done
while IFS= read -r -d '' file; do
    name=$(sha1sum <"$file" | cut -c1-40)
    for target in mime_entity event archive differential; do cp "$file" "$here/corpus/$target/$name"; done
    count=$((count + 1))
done < <(find "$1" -type f -size -64k -print0)
echo "$count mails seeded into $here/corpus/{mime_entity,event,archive,differential}"
