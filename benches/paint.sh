#!/usr/bin/env bash
# How soon a browser paints the overview of a gateway whose PostgreSQL holds MESSAGES messages (a million): the time from the
# request to the first content, as Chromium measures it, several times over. Takes two minutes and 1 GB.
set -euo pipefail
cd "$(dirname "$0")/.."

messages=${MESSAGES:-1000000} port=${PORT:-8765}
program=${CARGO_TARGET_DIR:-target}/release/examples/gateway
cargo build --release --locked --quiet --example gateway --features postgres
[ -d tests/browser/node_modules ] || ./tests/setup.sh

# A server of our own, which goes with this script. PostgreSQL does not run as root.
bin=$(dirname "$(readlink -f "$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | tail -1)")")
place=$(mktemp -d /tmp/smsgw-paint-XXXXXX)
as=()
if [ "$(id -u)" = 0 ]; then chown postgres "$place"; as=(runuser -u postgres --); fi
trap 'kill "${gateway:-}" 2>/dev/null || true; "${as[@]}" "$bin/pg_ctl" -D "$place/db" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$place"' EXIT
"${as[@]}" "$bin/initdb" -D "$place/db" -A trust -U postgres >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$place/db" -w -l "$place/log" -o "-c listen_addresses='' -k $place -c fsync=off -c shared_buffers=512MB -c max_wal_size=4GB" start >/dev/null
sql() { "$bin/psql" -qAt -h "$place" -U postgres -c "$1"; }

token=$("$program" token generate)
SMSGW_ADMIN_TOKEN=$token "$program" --data "$place/data" --database-url "postgres://postgres@localhost/postgres?host=$place" \
    --http "127.0.0.1:$port" --mqtt 127.0.0.1:0 >"$place/out" 2>&1 &
gateway=$!
until curl -sf "http://127.0.0.1:$port/health/ready" >/dev/null; do sleep 0.2; done
curl -sf "http://127.0.0.1:$port/messages" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    -d '{"to":"+5351234567","body":"Su código es 1234"}' >/dev/null
# As many like it, each at a time of its own, delivered.
columns=$(sql "SELECT string_agg(CASE column_name WHEN 'id' THEN 'gen_random_uuid()' WHEN 'created_at' THEN 'm.created_at - n * 1000'
    WHEN 'state' THEN '''delivered''' WHEN 'check_at' THEN 'NULL' WHEN 'look_at' THEN 'NULL' WHEN 'requeue_at' THEN 'NULL'
    WHEN 'waits_for' THEN 'NULL' WHEN 'reason' THEN 'NULL' ELSE 'm.' || column_name END, ', ' ORDER BY ordinal_position)
    FROM information_schema.columns WHERE table_name = 'messages'")
sql "INSERT INTO messages SELECT $columns FROM messages m, generate_series(1, $messages) n"
sql "VACUUM ANALYZE messages"
echo "$(sql 'SELECT count(*) FROM messages') messages in PostgreSQL"
node tests/browser/paint.mjs "http://127.0.0.1:$port" "$token"
