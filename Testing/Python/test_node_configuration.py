"""The configuration of a node: what it means, what it refuses and with which sentence, and its schema."""

import json
import tomllib
from dataclasses import fields

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

from jsonschema import Draft202012Validator, ValidationError
from LiverTumorLib.cli import main
from LiverTumorLib.errors import UsageError
from LiverTumorLib.node import configuration as node
from LiverTumorLib.node.configuration import read_configuration
from LiverTumorLib.records.options import RunOptions
from read_extension import ROOT

SCHEMA = json.loads((ROOT / "Docs" / "schemas" / "node.schema.json").read_text(encoding="utf-8"))
EXAMPLE = ROOT / "Testing" / "Packaging" / "node" / "node.toml"


def written(folder, text):
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_folder_is_enough(tmp_path):
    read = read_configuration(written(tmp_path, 'folder = "data"'))
    assert read.folder == tmp_path / "data"
    assert read.dicom.address == "127.0.0.1" and read.page.address == "127.0.0.1" and not read.page.names
    assert read.peers[0].addresses == ("127.0.0.0/8", "::1/128"), "nobody else may send unless it is said"
    assert read.run_options == RunOptions()


def test_the_example_is_right(tmp_path):
    text = EXAMPLE.read_text(encoding="utf-8")
    values = tomllib.loads(text)
    Draft202012Validator(SCHEMA).validate(values)
    (tmp_path / "token").write_text("0123456789abcdef" * 2)
    here = text.replace("/etc/livertumor/token", str(tmp_path / "token")).replace("/var/lib/livertumor", str(tmp_path))
    read = read_configuration(written(tmp_path, here))
    assert read.targets and read.peers and read.rules.not_description


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "folder is missing"),
        ("folder = 3", "folder is 3; it must be the name of a file"),
        ('foldr = "x"', "foldr is not a setting; did you mean 'folder'?"),
        ('folder = "x"\n[dicom]\nae_titel = "A"', "[dicom] ae_titel is not a setting; did you mean 'ae_title'?"),
        ('folder = "x"\n[dicom]\nae_title = "SEVENTEEN LETTERS"', "1 to 16 printable ASCII characters"),
        ('folder = "x"\n[dicom]\nport = 70000', "[dicom] port is 70000; it must be a port, 1 to 65535"),
        ('folder = "x"\n[dicom]\nport = true', "[dicom] port is True; it must be a whole number"),
        ('folder = "x"\n[[peers]]\naddresses = ["10.0.0.300"]', "an IP address or network"),
        ('folder = "x"\n[analysis]\nscheduler = "10.0.0.1"', "the address of a Dask scheduler, such as tcp://"),
        ('folder = "x"\n[analysis]\ndicom_page = "png"', "it must be one of pdf, capture"),
        ('folder = "x"\n[keep]\nresults_days = -1', "[keep] results_days is -1; it must be 0 or more"),
        ('folder = "x"\n[page]\nviewer = "/none/livertumor"', "[page] viewer: /none/livertumor cannot be read"),
        (
            'folder = "x"\n[page]\nviewer = "/bin/sh"\ncertificate = "a"\nkey = "b"',
            "viewer speaks no HTTPS; leave it out",
        ),
        ('folder = "x"\npeers = []', "peers is empty, so nobody may send"),
        ('folder = "x"\n[[targets]]\nname = "a"', "either ae_title, host and port, or url"),
        ('folder = "x"\n[[targets]]\nname = "a"\nurl = "ftp://b"', "begins with http:// or https://"),
        ('folder = "x"\n[[targets]]\nurl = "http://b"', "[targets 1] name is missing"),
        ('folder = "x"\n[rules]\nimages = [5, 2]', "the first must not be above the second"),
        ('folder = "x"\n[rules]\nimages = [5]', "it must be a list of 2"),
        ('folder = "x"\n[rules]\ndescription = ["("]', "it must be a regular expression"),
        (
            'folder = "x"\n[analysis.options]\ntumor_thresholds = 0.5',
            "[analysis.options] Unknown option 'tumor_thresholds'",
        ),
        ('folder = "x"\n[analysis.options]\ntumor_threshold = 5', "it must lie between 0 and 1"),
        ('folder = "x"\n[page]\naddress = "0.0.0.0"', "token_file is missing, and others than this machine"),
        ('folder = "x"\n[page]\ntoken_file = "nowhere"', "nowhere cannot be read"),
        ('folder = "x"\ndicom = 3', "write [dicom] and its settings below"),
        ('folder = "x', "is not TOML"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(tmp_path, capsys, text, told):
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_configuration(path)
    assert told in str(caught.value) and str(path) in str(caught.value)
    assert main(["listen", str(path), "--check"]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1


def test_a_short_token_is_none(tmp_path, capsys):
    (tmp_path / "token").write_text("short")
    target = '[[targets]]\nname = "a"\nurl = "http://127.0.0.1:9"\ntoken_file = "token"\n'
    path = written(tmp_path, 'folder = "x"\n[page]\ntoken_file = "token"\nport = 0\n' + target)
    assert main(["listen", str(path), "--check"]) == 2
    assert "at least 16 printable characters" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["foldr = 1", 'folder = "x"\n[dicom]\nport = 70000', 'folder = "x"\n[[targets]]\nname = "a"']
)
def test_the_schema_refuses_what_the_software_refuses(text):
    with pytest.raises(ValidationError):
        Draft202012Validator(SCHEMA).validate(tomllib.loads(text))


def test_the_schema_describes_every_setting():
    described = SCHEMA["properties"] | SCHEMA["$defs"]
    for kind, place in (
        (node.Configuration, SCHEMA),
        (node.Receiving, described["dicom"]),
        (node.Peer, described["peers"]["items"]),
        (node.Target, described["targets"]["items"]),
        (node.Rules, described["rules"]),
        (node.Analysis, described["analysis"]),
        (node.Page, described["page"]),
        (node.Keeping, described["keep"]),
        (node.Tls, described["tls"]),
    ):
        assert {field.name for field in fields(kind)} == set(place["properties"]), kind.__name__
    options = described["analysis"]["properties"]["options"]["properties"]
    assert {field.name for field in fields(RunOptions)} == set(options)
