"""A DICOM node beside the PACS: CT comes in, waits in a queue on disk, is analyzed, and its results go to other nodes.

From the ground up: `toml_file` and `configuration` (what a hospital chooses), `logs`, `store` (objects on disk), `rows`
and `queue` (what is known of each series), `rules` (what is analyzed), `tls`, `guard` and `receiver` (who may send
what), `commitment`, `workers`, `targets` and `delivery` (results go out), `retention`, `services`, `figures` and `page`
(what people and monitors see), `service` (all of it together).

Whatever ends the node, a power cut included, it goes on where it was: an object is acknowledged only when it is on disk
and in the queue, a state changes in one transaction with what follows from it, and nothing that is kept in memory alone
matters.
"""
