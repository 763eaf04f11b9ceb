#!/usr/bin/env bash
# Builds the image and shows, on the Docker Engine, that it does what Rattlewatch is for: it fetches by host name,
# keeps its database in /data with everything else read-only, mails another container, and stops when told to.
#
#   deploy/test-container.sh            the image as it is released
#   deploy/test-container.sh --quick    the same image, compiled in half the time with less optimization
#
# First with `docker run` and SQLite, then with deploy/compose.yaml: as it is, and with the profile postgres. Nothing is
# pulled: deploy/local-images.sh makes what is missing. What the run creates bears its number and goes when it ends; the
# images it builds stay as a cache, without those that they replace.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
run=rattlewatch-test-${$}x # the x: so that no number is the beginning of another
image=rattlewatch-local/rattlewatch
export BUILDER=rattlewatch-local/builder MAILCATCHER_IMAGE=rattlewatch-local/mailcatcher
export POSTGRES_IMAGE=rattlewatch-local/postgres RATTLEWATCH_IMAGE=$image
export DOCKER_BUILDKIT=0 # so that Compose finds in the cache what is built here
reader=operator@msp.example
passed=0
arguments=()
case ${1:-} in
  '') ;;
  --quick)
    arguments=(CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16)
    ;;
  *)
    echo "usage: deploy/test-container.sh [--quick]" >&2
    exit 2
    ;;
esac

say() { printf '[%4ss] container: %s\n' "$SECONDS" "$*"; }
pass() {
  passed=$((passed + 1))
  say "ok: $*"
}
fail() {
  say "FAILED: $*" >&2
  exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/$run.XXXXXX")
chmod 755 "$work"
composition=(docker-compose)
if ! command -v docker-compose >/dev/null; then composition=(docker compose); fi

# compose ARGUMENT...: deploy/compose.yaml under this run's name, with the feed server beside it.
compose() {
  "${composition[@]}" -p "$run" -f "$here/compose.yaml" -f "$work/feed.yaml" "$@"
}

clean_up() {
  local status=$? container
  trap - EXIT
  if ((status)); then
    for container in $(docker ps -aq --filter "name=$run"); do
      say "the last words of $(docker inspect -f '{{.Name}}' "$container"):"
      docker logs --tail 40 "$container" 2>&1 | sed 's/^/    /'
    done >&2
  fi
  [[ ! -e $work/feed.yaml ]] || compose --profile postgres down -v --timeout 5 >/dev/null 2>&1 || true
  docker ps -aq --filter "name=$run" | xargs -r docker rm -f -v >/dev/null 2>&1 || true
  docker volume ls -q --filter "name=$run" | xargs -r docker volume rm >/dev/null 2>&1 || true
  docker network ls -q --filter "name=$run" | xargs -r docker network rm >/dev/null 2>&1 || true
  rm -rf "$work"
  ((status)) || printf 'container: %s passed, 0 failed\n' "$passed"
  exit "$status"
}
trap clean_up EXIT

# eventually SECONDS WHAT COMMAND...: waits until the command succeeds.
eventually() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < limit)) || fail "$what: not in time"
    sleep 1
  done
  pass "$what"
}

# build TAG ARGUMENT...: one image; the one that it replaces goes.
build() {
  local tag=$1 before argument
  shift
  for argument in "${arguments[@]}"; do set -- --build-arg "$argument" "$@"; done
  before=$(docker image inspect -f '{{.Id}}' "$tag" 2>/dev/null || true)
  timeout 1800 docker build --build-arg "BUILDER=$BUILDER" -f "$here/Dockerfile" -t "$tag" "$@" "$root" \
    >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2 && fail "cannot build $tag"; }
  if [[ -n $before && $before != $(docker image inspect -f '{{.Id}}' "$tag") ]]; then
    docker rmi "$before" >/dev/null 2>&1 || true
  fi
}

# feed [ITEM...]: writes what the feed server serves, whole, as a publisher's server would.
feed() {
  local item
  {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>\n'
    printf '<title>Example advisories</title><link>http://feed:8000/</link><description>For the test</description>\n'
    for item in "$@"; do
      printf '<item><title>%s</title><link>http://feed:8000/%s</link><guid isPermaLink="false">%s</guid>' \
        "$item" "${item%%:*}" "${item%%:*}"
      printf '<pubDate>%s</pubDate><description>%s, with a fix available.</description></item>\n' \
        "$(LC_ALL=C date -uR)" "$item"
    done
    printf '</channel></rss>\n'
  } >"$work/feed/new.xml"
  mv "$work/feed/new.xml" "$work/feed/advisories.xml"
}

# polls CONTAINER NUMBER: whether the feed server was asked for the feed so often.
polls() { (($(docker logs "$1" 2>&1 | grep -c 'GET /advisories.xml') >= $2)); }
# mails CONTAINER: how many mails were caught; a mail's text with its soft line breaks undone.
mails() { docker exec "$1" sh -c 'ls /mail/inbox/new 2>/dev/null | wc -l'; }
mail_text() { docker exec "$1" sh -c 'cat /mail/inbox/new/*' | tr -d '\r' | sed -e ':a' -e '/=$/{N;s/=\n//;ba' -e '}'; }
one_mail() { [[ $(mails "$1") == 1 ]]; }
status_is() { [[ $(docker inspect -f '{{.State.Health.Status}}' "$1") == "$2" ]]; }

# alert FEED MAIL: plays a source that had one item before and gets another, and looks at what is mailed.
alert() {
  local feed=$1 mail=$2 count
  eventually 60 "the source is fetched by host name" polls "$feed" 2
  [[ $(mails "$mail") == 0 ]] || fail "the first fetch mailed its history"
  feed "$old_item" "$new_item"
  eventually 60 "a new item reaches the mail catcher" one_mail "$mail"
  mail_text "$mail" >"$work/mail.txt"
  grep -q "$reader" "$work/mail.txt" || fail "the mail is not for $reader"
  grep -q 'EXAMPLE-2026-0002' "$work/mail.txt" || fail "the mail does not name the new item"
  ! grep -q 'EXAMPLE-2026-0001' "$work/mail.txt" || fail "the mail names the old item"
  count=$(docker logs "$feed" 2>&1 | grep -c 'GET /advisories.xml')
  eventually 60 "and it is fetched again" polls "$feed" $((count + 2))
  one_mail "$mail" || fail "one item was mailed $(mails "$mail") times"
  pass "the mail names the new item alone, and is sent once"
}

# stops CONTAINER: docker stop, with what a signal has to achieve.
stops() {
  local begin=$SECONDS code
  docker stop --time 25 "$1" >/dev/null
  code=$(docker inspect -f '{{.State.ExitCode}}' "$1")
  [[ $code == 0 ]] || fail "docker stop: exit code $code"
  ((SECONDS - begin < 25)) || fail "docker stop took $((SECONDS - begin)) s"
  pass "SIGTERM ends it with exit code 0 in $((SECONDS - begin)) s"
}

old_item='EXAMPLE-2026-0001: An old fault in the example firewall'
new_item='EXAMPLE-2026-0002: Microsoft Exchange Server remote code execution, CVE-2026-10002'
mkdir "$work/feed" && chmod 755 "$work/feed"
feed "$old_item"
cat >"$work/sources.toml" <<'EOF'
[[source]]
id = "example"
name = "Example advisories"
publisher = "Example"
kind = "vendor"
country = "US"
url = "http://feed:8000/advisories.xml"
format = "feed"
schedule = "*/5 * * * * *"
EOF

# ---- The image -------------------------------------------------------------------------------------------------------
"$here/local-images.sh"
say "building $image"
begin=$SECONDS
build "$image-build" --target build
build "$image"
size=$(docker image inspect -f '{{.Size}}' "$image")
packed=$(docker save "$image" | gzip -1 | wc -c)
pass "built in $((SECONDS - begin)) s: $(numfmt --to=si "$size")B, $(numfmt --to=si "$packed")B compressed"
((packed <= 25000000)) || fail "the compressed image is larger than 25 MB"

hardened=(--read-only --cap-drop ALL --security-opt no-new-privileges)
docker run --rm --network none "${hardened[@]}" --user 12345:12345 --tmpfs /data:uid=12345,gid=12345,mode=700 "$image" \
  advisories list >"$work/other-user.txt" || fail "it does not run as another user"
pass "it runs as any numeric user that may write /data"

# ---- docker run, SQLite ----------------------------------------------------------------------------------------------
say "docker run with SQLite"
docker network create "$run" >/dev/null
subnet=$(docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' "$run")
docker volume create "$run-data" >/dev/null
settings=(
  -e RATTLEWATCH_SMTP_URL=smtp://mail:1025
  -e RATTLEWATCH_ALLOW_NETWORKS="$subnet"
  -e RATTLEWATCH_SOURCES=/sources.toml
  -v "$work/sources.toml:/sources.toml:ro"
  -v "$run-data:/data"
)
docker run -d --name "$run-feed" --network "$run" --network-alias feed -v "$work/feed:/feed:ro" "$MAILCATCHER_IMAGE" \
  python3 -m http.server --directory /feed 8000 >/dev/null
docker run -d --name "$run-mail" --network "$run" --network-alias mail "$MAILCATCHER_IMAGE" >/dev/null
docker run --rm --network "$run" "${hardened[@]}" "${settings[@]}" "$image" \
  subscriber add "$reader" --everything --timezone Europe/Berlin
docker run -d --name "$run-serve" --network "$run" "${hardened[@]}" "${settings[@]}" "$image" >/dev/null
eventually 40 "the image's own health check says healthy" status_is "$run-serve" healthy
alert "$run-feed" "$run-mail"
owner=$(docker run --rm -v "$run-data:/data:ro" --user 65532:65532 "$MAILCATCHER_IMAGE" stat -c %u:%g /data/rattlewatch.db)
[[ $owner == 65532:65532 ]] || fail "the database belongs to '$owner'"
# The engine itself makes the place where the source list is mounted.
written=$(docker diff "$run-serve" | grep -vx 'A /sources.toml' || true)
[[ -z $written ]] || fail "something outside of /data was written: $written"
pass "the database in /data belongs to 65532, and nothing else was written"
docker run --rm --network none "${hardened[@]}" "${settings[@]}" "$image" advisories list >"$work/advisories.txt"
grep -q 'EXAMPLE-2026-0002\|CVE-2026-10002\|Exchange' "$work/advisories.txt" || fail "advisories list does not show the advisory"
pass "a second container reads the same database"
stops "$run-serve"

# A server whose certificate is good for those alone who are given it as a root, in place of the image's own list.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=feed -addext subjectAltName=DNS:secure \
  -addext basicConstraints=critical,CA:FALSE -keyout "$work/key.pem" -out "$work/roots.pem" 2>/dev/null
chmod 644 "$work/key.pem"
docker run -d --name "$run-secure" --network "$run" --network-alias secure -v "$work:/site:ro" --workdir /site/feed \
  "$MAILCATCHER_IMAGE" python3 -c '
import http.server, ssl
server = http.server.ThreadingHTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/site/roots.pem", "/site/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()' >/dev/null
# over_tls [ARGUMENT...]: whether the feed can be read from there.
# shellcheck disable=SC2119,SC2120
over_tls() {
  docker run --rm --network "$run" "${hardened[@]}" "${settings[@]}" "$@" "$image" \
    sources test https://secure:8443/advisories.xml >"$work/tls.txt" 2>&1 && grep -q EXAMPLE-2026-0002 "$work/tls.txt"
}
eventually 30 "HTTPS works with a server that the root list vouches for" \
  over_tls -v "$work/roots.pem:/etc/ssl/certs/ca-certificates.crt:ro"
# shellcheck disable=SC2119
! over_tls || fail "a server that nobody vouches for was believed"
grep -qi certificate "$work/tls.txt" || fail "the refusal does not speak of the certificate: $(cat "$work/tls.txt")"
pass "and not with one that nobody vouches for"

# ---- Compose ---------------------------------------------------------------------------------------------------------
# compose_up WHAT: brings it up with a fresh feed, and waits until the health check agrees.
compose_up() {
  say "compose $1"
  feed "$old_item"
  compose up -d --build >"$work/compose.log" 2>&1 || { cat "$work/compose.log" >&2 && fail "compose up"; }
  eventually 60 "rattlewatch is healthy" status_is "$(compose ps -q rattlewatch)" healthy
}

cat >"$work/feed.yaml" <<EOF
services:
  rattlewatch:
    build:
      args:
        BUILDER: $BUILDER
$(for argument in "${arguments[@]}"; do printf '        %s: "%s"\n' "${argument%%=*}" "${argument#*=}"; done)
    environment:
      RATTLEWATCH_SOURCES: /sources.toml
      RATTLEWATCH_ALLOW_NETWORKS: 10.0.0.0/8,172.16.0.0/12,192.168.0.0/16
    volumes: ["$work/sources.toml:/sources.toml:ro"]
  feed:
    image: $MAILCATCHER_IMAGE
    command: [python3, -m, http.server, --directory, /feed, "8000"]
    volumes: ["$work/feed:/feed:ro"]
EOF
export RATTLEWATCH_PORT=0 MAIL_PORT=0 # any free port
compose config --quiet
compose_up "as it is"
address=$(compose port rattlewatch 8080)
python3 - "http://$address/" <<'EOF' || fail "the home page does not answer at $address"
import sys, urllib.request
page = urllib.request.urlopen(sys.argv[1], timeout=5)
assert page.status == 200 and b"Example advisories" in page.read()
EOF
pass "the published port shows the home page with its source"
stops "$(compose ps -q rattlewatch)"
compose down -v --timeout 5 >/dev/null 2>&1

set -a
# shellcheck disable=SC1091
. "$here/postgres.env"
set +a
compose_up "with the profile postgres"
compose run --rm -T rattlewatch subscriber add "$reader" --everything </dev/null
alert "$(compose ps -q feed)" "$(compose ps -q mail)"
found=$(compose exec -T database psql -U rattlewatch -Atc \
  "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'" </dev/null)
((found > 0)) || fail "PostgreSQL holds no table"
pass "PostgreSQL holds $found tables"
stops "$(compose ps -q rattlewatch)"
