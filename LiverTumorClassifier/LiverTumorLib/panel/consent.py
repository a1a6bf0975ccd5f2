"""Consent to the license of models: asked once before they are first used, and kept in the user's settings with the
license and the version that it was given for."""

from __future__ import annotations

from collections.abc import Iterable

import slicer
from slicer.i18n import tr as _

from ..errors import Cancelled
from ..models.bundle import Bundle
from ..models.licenses import license_lines
from .messages import confirmed

_KEY = "LiverTumor/license/{id}"


def ask_consent(bundles: Iterable[Bundle]) -> None:
    """Show the licenses that the user has not agreed to yet; nothing is asked while Slicer is tested.

    Raises:
        Cancelled: the user does not agree.
    """
    settings = slicer.app.userSettings()
    new = [bundle for bundle in bundles if settings.value(_key(bundle)) != _agreed(bundle)]
    if not new or slicer.app.testingEnabled():
        return
    licenses = "\n\n".join(license_lines(new))
    question = _("The weights of the models have a license of their own:")
    if not confirmed(f"{question}\n\n{licenses}\n\n{_('Do you agree to use them under it?')}"):
        raise Cancelled(_("The license of the models was not agreed to."))
    for bundle in new:
        settings.setValue(_key(bundle), _agreed(bundle))


def _key(bundle: Bundle) -> str:
    return _KEY.format(id=bundle.id)


def _agreed(bundle: Bundle) -> str:
    return f"{bundle.manifest.version}: {bundle.manifest.license}"
