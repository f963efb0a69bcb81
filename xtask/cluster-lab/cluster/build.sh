#!/bin/bash
# Builds Kubernetes from Debian's source package, which has all that it needs: kube-apiserver,
# kube-controller-manager, kube-scheduler, kubelet and kube-proxy, into FOLDER/bin. Some 15 minutes of
# two cores, 4 GB; what is there already is not built again.
#
#   build.sh FOLDER
set -euo pipefail
folder=$(realpath -m "${1:?where to}")
mkdir -p "$folder/bin" "$folder/tmp"
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
missing=()
for program in "${programs[@]}"; do
    [ -x "$folder/bin/$program" ] || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v go >/dev/null || apt-get -o DPkg::Lock::Timeout=300 install --yes golang-go
source=$folder/go/src/k8s.io/kubernetes
if [ ! -d "$source/cmd" ]; then
    # The only release of Debian whose package has the sources of the servers.
    apt="$folder/apt"
    mkdir -p "$apt"/{lists/partial,cache/archives/partial} "$source"
    echo "deb-src http://deb.debian.org/debian bookworm main" >"$apt/sources.list"
    options=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache")
    apt-get "${options[@]}" update
    (cd "$apt" && apt-get "${options[@]}" source --download-only kubernetes)
    tar --extract --gzip --file "$apt"/kubernetes_*.orig.tar.gz --directory "$source" --strip-components 1
fi

# Today's Go wants a newer go.mod: as a GOPATH, it asks for none.
export GOPATH=$folder/go GOCACHE=$folder/cache GOTMPDIR=$folder/tmp GO111MODULE=off GOFLAGS= CGO_ENABLED=0

# With today's Go it needs a newer reflect2 than it brings, and the part that its own build would generate.
if [ ! -e "$source/pkg/generated/openapi/zz_generated.openapi.go" ]; then
    (cd "$folder/apt" && apt-get download golang-github-modern-go-reflect2-dev)
    dpkg --extract "$folder"/apt/golang-github-modern-go-reflect2-dev_*.deb "$folder/apt/reflect2"
    rm -r "$source/vendor/github.com/modern-go/reflect2"
    cp -r "$folder/apt/reflect2/usr/share/gocode/src/github.com/modern-go/reflect2" "$source/vendor/github.com/modern-go/"
    cd "$source"
    go build -o "$folder/tmp/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    packages=$(grep -rl --include='*.go' '^// *+k8s:openapi-gen=' pkg cmd staging/src/k8s.io | xargs -n1 dirname | sort -u |
        grep -v -e sample-apiserver -e code-generator -e testdata |
        sed 's#^staging/src/#k8s.io/kubernetes/vendor/#; t; s#^#k8s.io/kubernetes/#' | paste -sd,)
    "$folder/tmp/openapi-gen" -O zz_generated.openapi --go-header-file hack/boilerplate/boilerplate.generatego.txt \
        -p k8s.io/kubernetes/pkg/generated/openapi -i "$packages" -r "$folder/tmp/violations" --output-base "$GOPATH/src"
fi

version=v1.20.2
IFS=. read -r major minor _ <<<"${version#v}"
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    package=k8s.io/kubernetes/vendor/$package
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
    flags+=" -X $package.gitTreeState=clean"
done
cd "$source"
for program in "${missing[@]}"; do
    echo "building $program $version"
    nice go build -p 2 -ldflags "$flags" -o "$folder/bin/$program" "./cmd/$program"
done
