#!/bin/sh
# A command that takes mail: keeps its words and its input in the folder $TAKEN, a number for each call, and
# then does what the file $TAKEN/do says: an exit code, "hang" (for as long as it may), or "wait" (until that file
# is gone).
set -u
n=$(ls "$TAKEN" | grep -c '^words') 
for word in "$@"; do printf '%s\n' "$word"; done > "$TAKEN/words.$n.part"
cat > "$TAKEN/input.$n"
mv "$TAKEN/words.$n.part" "$TAKEN/words.$n"
do=$(cat "$TAKEN/do" 2>/dev/null || echo 0)
case $do in
hang) sleep 100 & echo $! > "$TAKEN/child"; wait ;;
wait) while [ -e "$TAKEN/do" ]; do sleep 0.05; done ;;
0) echo "job $n" ;;
*) echo "not now, says the far end" >&2; echo "second line" >&2; exit "$do" ;;
esac
