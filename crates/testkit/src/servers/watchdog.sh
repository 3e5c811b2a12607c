# Owns one directory and every process that works in it, until stdin ends.
#
# It prints the directory's path and then obeys lines of two words, a signal and a place below the
# directory, and prints a line when it is done. `keep -` leaves the logs behind in the end. When
# the process that holds the other end of stdin is gone, however it went, so is everything else.
trap '' HUP INT PIPE TERM
cd /
home=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-XXXXXXXX") && home=$(cd "$home" && pwd -P) || exit 1
printf '%s\n' "$home"

# The working directory says whose a process is, also of those whose parent is gone.
inside() {
    find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null |
        cut -d/ -f3
}

# A zombie has no working directory: it counts as gone.
end() {
    while pids=$(inside "$1") && [ -n "$pids" ]; do
        kill -KILL $pids 2>/dev/null
        sleep 0.01
    done
}

keep=
while read -r word place; do
    case $word in
        keep) keep=yes ;;
        KILL) end "$home/$place" ;;
        *) kill -s "$word" $(inside "$home/$place") 2>/dev/null ;;
    esac
    printf 'done\n' 2>/dev/null
done

end "$home"
# A PostgreSQL that was killed leaves a segment of shared memory; line 7 of this file names it.
for file in "$home"/*/postmaster.pid; do
    [ -f "$file" ] && ipcrm -m "$(sed -n '7s/^ *[0-9]* *//p' "$file")" 2>/dev/null
done
if [ -n "$keep" ]; then
    find "$home" -mindepth 1 -maxdepth 1 ! -name '*.log' -exec rm -rf {} +
else
    rm -rf "$home"
fi
# Whatever was about to start when its parent died.
end "$home"
