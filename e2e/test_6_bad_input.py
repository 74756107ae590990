# SPDX-License-Identifier: Apache-2.0
"""What users and attackers write: each gets a clear condition or a refusal, and nothing is half applied."""
import copy
import os
import time

import pytest
import yaml
from lab import ROOT, Failed, until
from owned import objects
from system import API, NS

SOON = 15


def edited(base, edit):
    config = copy.deepcopy(base)
    edit(config["clusters"][0]["cluster"], config["users"][0]["user"], config)
    return yaml.safe_dump(config)


# A change to c2's good kubeconfig: (name, what the condition's message must name, change of (cluster, user, all))
HOSTILE = [
    ("exec", "exec", lambda c, u, a: u.update({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": ["/tmp/owned"]}})),
    ("auth-provider", "auth-provider", lambda c, u, a: u.update({"auth-provider": {"name": "gcp"}})),
    ("token-file", "tokenFile", lambda c, u, a: u.update({"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"})),
    ("key-file", "client-key", lambda c, u, a: (u.pop("client-key-data"), u.update({"client-key": "/etc/passwd"}))),
    ("cert-file", "client-certificate", lambda c, u, a: (u.pop("client-certificate-data"), u.update({"client-certificate": "/etc/passwd"}))),
    ("ca-file", "certificate-authority", lambda c, u, a: (c.pop("certificate-authority-data"), c.update({"certificate-authority": "/etc/ssl/x"}))),
    ("insecure", "insecure-skip-tls-verify", lambda c, u, a: c.update({"insecure-skip-tls-verify": True})),
    ("proxy", "proxy-url", lambda c, u, a: c.update({"proxy-url": "http://172.30.0.12:3128"})),
    ("plain-http", "server", lambda c, u, a: c.update({"server": "http://172.30.0.12:6443"})),
    ("loopback", "server", lambda c, u, a: c.update({"server": "https://127.0.0.1:6443"})),
    ("localhost", "server", lambda c, u, a: c.update({"server": "https://localhost:6443"})),
    ("metadata", "server", lambda c, u, a: c.update({"server": "https://169.254.169.254/"})),
    ("user-in-url", "server", lambda c, u, a: c.update({"server": "https://root:secret@172.30.0.12:6443"})),
    ("basic", "username", lambda c, u, a: u.update({"username": "root", "password": "secret"})),
    ("impersonate", "as", lambda c, u, a: u.update({"as": "system:admin"})),
    ("second-user", "exec", lambda c, u, a: a["users"].append({"name": "other", "user": {"exec": {"command": "touch"}}})),
    ("no-context", "current-context", lambda c, u, a: a.update({"current-context": "nowhere"})),
    ("no-user", "user", lambda c, u, a: a.update({"users": []})),
    ("bad-ca", "certificate-authority-data", lambda c, u, a: c.update({"certificate-authority-data": "bm9uc2Vuc2U="})),
    ("bad-base64", "client-key-data", lambda c, u, a: u.update({"client-key-data": "%%%"})),
]
TEXTS = [("not-yaml", "a: [b"), ("a-list", "- a\n- b"), ("empty", ""), ("binary", "\x01\x02"), ("deep", "[" * 5000 + "]" * 5000),
         ("anchors", "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]")]


@pytest.fixture
def hostile(shop):
    """All hostile members at once; {name: text that must be named}"""
    with open(shop.all["c2"].kubeconfig, encoding="utf-8") as f:
        base = yaml.safe_load(f)
    cases, docs = {}, []
    for name, names, edit in HOSTILE:
        cases[name] = names, edited(base, edit)
    for name, text in TEXTS:
        cases[name] = "", text
    for name, (_, text) in cases.items():
        docs.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"bad-{name}-kubeconfig", "namespace": NS}, "stringData": {"value": text}})
        docs.append({"apiVersion": "meshwright.dev/v1alpha1", "kind": "MemberCluster", "metadata": {"name": f"bad-{name}", "namespace": NS}, "spec": {}})
    shop.hub.apply(yaml.safe_dump_all(docs), "--server-side")
    yield {name: names for name, (names, _) in cases.items()}
    shop.hub.kubectl("delete", "-f", "-", "--wait=false", "--ignore-not-found", data=yaml.safe_dump_all(docs))
    until(SOON, "bad members are gone", lambda: not any(m["metadata"]["name"].startswith("bad-") for m in shop.hub.list(f"{API}/memberclusters")))


def test_hostile_kubeconfigs_are_refused_by_field(shop, hostile):
    wrong = []
    for name, names in hostile.items():
        try:
            until(SOON, name, lambda: shop.condition(shop.member("bad-" + name), "CredentialsValid")[0] == "False")
        except Failed:
            wrong.append(f"{name}: {shop.member('bad-' + name)['status']['conditions']}")
            continue
        status = shop.member("bad-" + name)
        _, reason, message = shop.condition(status, "CredentialsValid")
        if reason not in ("CredentialsInvalid", "ExecAuthUnsupported") or names not in message or shop.condition(status)[0] != "False":
            wrong.append(f"{name}: {reason}: {message}")
        if shop.condition(status, "Stalled")[0] != "True":
            wrong.append(f"{name}: not Stalled")
        if "secret" in message and name in ("basic", "user-in-url") and "root:secret" in message:
            wrong.append(f"{name}: shows the password")
    assert not wrong, "\n".join(wrong)
    assert not os.path.exists("/tmp/owned")
    assert shop.is_ready(shop.member("c2")), "a good member suffers from the bad ones"


def test_missing_credentials(shop):
    shop.apply("MemberCluster", "nobody")
    until(SOON, "condition", lambda: shop.condition(shop.member("nobody"), "CredentialsValid")[:2] == ("False", "CredentialsMissing"))
    assert "nobody-kubeconfig" in shop.condition(shop.member("nobody"), "CredentialsValid")[2]
    shop.hub.delete(f"{API}/memberclusters/nobody")
    until(SOON, "gone", lambda: shop.member("nobody") is None)


def test_another_cluster_behind_the_same_name_gets_nothing(shop):
    """The identity of c3 is pinned; then its credentials lead to c2."""
    shop.apply("MemberCluster", "pinned", kubeconfigSecretRef={"name": "c3-kubeconfig"})
    until(SOON, "Ready", lambda: shop.is_ready(shop.member("pinned")))
    shop.hub.patch(f"{API}/memberclusters/pinned", {"spec": {"kubeconfigSecretRef": {"name": "c2-kubeconfig"}}})
    marks = shop.marks()
    until(SOON, "refused", lambda: shop.condition(shop.member("pinned"))[0] == "False")
    time.sleep(2)
    assert [w for w in shop.writes(marks) if w.startswith("c2:")] == []
    shop.hub.delete(f"{API}/memberclusters/pinned")
    until(SOON, "gone", lambda: shop.member("pinned") is None)


def settled(shop, name, kind, reason):
    until(SOON, f"{name}: {reason}", lambda: shop.condition(shop.mesh(name), kind)[:2] == ("False", reason))
    status, _, message = shop.condition(shop.mesh(name))
    assert status == "False" and message
    return shop.condition(shop.mesh(name), kind)[2]


def remove(shop, name):
    shop.hub.delete(f"{API}/meshes/{name}")
    until(SOON, "gone", lambda: shop.mesh(name) is None)


def nothing_of(shop, name):
    uid = shop.mesh(name)["metadata"]["uid"]
    return all(not objects(c, f"meshwright.dev/owner-uid={uid}") for n, c in shop.all.items() if n != "c1")


def test_mesh_of_an_unknown_cluster(shop):
    shop.apply("Mesh", "lost", clusters=[{"name": "nowhere"}, {"name": "c2"}])
    assert "nowhere" in settled(shop, "lost", "ResolvedRefs", "ClusterNotFound")
    assert nothing_of(shop, "lost")
    remove(shop, "lost")
    shop.ready()


def test_second_mesh_that_claims_a_cluster(shop):
    before = {n: len(objects(shop.all[n])) for n in ("c1", "c2")}
    shop.apply("Mesh", "rival", clusters=[{"name": "c2"}])
    message = settled(shop, "rival", "ResolvedRefs", "ClusterInOtherMesh")
    assert "c2" in message and "shop" in message, message
    assert shop.condition(shop.mesh("rival"), "Stalled")[0] == "True"
    assert nothing_of(shop, "rival")
    remove(shop, "rival")
    shop.ready()
    assert {n: len(objects(shop.all[n])) for n in ("c1", "c2")} == before


def test_version_that_is_not_carried(shop):
    shop.apply("MemberCluster", "c3", network="lan")
    until(SOON, "c3 Ready", lambda: shop.is_ready(shop.member("c3")))
    shop.apply("Mesh", "old", version="1.2.3", clusters=[{"name": "c3"}])
    until(SOON, "VersionNotCarried", lambda: shop.condition(shop.mesh("old"))[:2] == ("False", "VersionNotCarried"))
    assert nothing_of(shop, "old")
    remove(shop, "old")
    shop.hub.delete(f"{API}/memberclusters/c3")
    until(SOON, "gone", lambda: shop.member("c3") is None)


REFUSED = [
    ("duplicate cluster", "Mesh", "twice", {"clusters": [{"name": "c1"}, {"name": "c1"}]}, "Duplicate value"),
    ("name too long", "Mesh", "n" * 41, {"clusters": [{"name": "c1"}]}, "at most 40 characters"),
    ("member's name too long", "MemberCluster", "n" * 41, {}, "at most 40 characters"),
    ("neither list nor selector", "Mesh", "none", {}, "exactly one of clusters"),
    ("no Primary", "Mesh", "remotes", {"clusters": [{"name": "c1", "role": "Remote"}]}, "role Primary"),
    ("two ways of access", "MemberCluster", "two", {"inCluster": {}, "kubeconfigSecretRef": {"name": "x"}}, "at most one"),
    ("plain http", "MemberCluster", "http", {"advertisedServer": "http://x"}, "advertisedServer"),
    ("unknown field", "Mesh", "typo", {"clusterz": []}, "clusterz"),
]


@pytest.mark.parametrize("kind,name,spec,words", [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused_at_once(shop, kind, name, spec, words):
    with pytest.raises(Failed) as e:
        doc = {"apiVersion": "meshwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": NS}, "spec": spec}
        shop.hub.kubectl("create", "--validate=strict", "-f", "-", data=yaml.safe_dump(doc))
    assert words in str(e.value)


def test_what_comes_later_says_so(shop):
    root = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n"
    shop.apply("TrustBundle", "early", members=[{"name": "shop"}, {"name": "partner", "external": {"trustDomain": "partner.example", "pem": root}}])
    path = f"{API}/trustbundles/early"
    until(SOON, "trustbundles", lambda: shop.condition(shop.hub.get(path), "Accepted")[:2] == ("False", "NotImplemented"))
    assert shop.condition(shop.hub.get(path))[0] == "False"
    shop.hub.delete(path)
    until(SOON, "gone", lambda: shop.hub.get(path) is None)


def test_samples_are_accepted(shop):
    for name in sorted(os.listdir(os.path.join(ROOT, "samples"))):
        shop.hub.kubectl("apply", "--dry-run=server", "--validate=strict", "-n", NS, "-f", os.path.join(ROOT, "samples", name))
