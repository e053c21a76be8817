"""A browser in front of Dagster's web UI, and the pictures that it leaves.

Belongs here: opening pages, and the steps that several tests take on them. Does not belong here: what should be there.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect, sync_playwright

from batch_platform_tests.ui import pictures

PATIENCE_SECONDS = 60
"""How long a page may take to show what it should: the machine may be busy with other things."""

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def chromium() -> str | None:
    """The path of Debian's browser; None if it is not installed."""
    return shutil.which("chromium")


@dataclass(frozen=True)
class Screen:
    """A page of the UI at an address."""

    address: str
    page: Page

    def open(self, path: str) -> None:
        """Go to a page below the address."""
        self.page.goto(f"{self.address}{path}")

    def see(self, wanted: str | re.Pattern[str]) -> Locator:
        """Wait until a text is on the page."""
        found = self.page.get_by_text(wanted).first
        expect(found).to_be_visible()
        return found

    def keep(self, name: str) -> None:
        """Keep a picture of the page as it is."""
        pictures.folder().mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(pictures.folder() / f"{name}.png"))

    def open_check(self, table: str, check: str, partition: str, around: Sequence[str]) -> None:
        """Go to what a check says about one partition: its tab Partitions, with some listed and one of them chosen."""
        self.open(f"/assets/{table}?view=checks&checkDetail={check}")
        # The first tab of this name is the table's.
        self.page.get_by_role("tab", name="Partitions", exact=True).nth(1).click()
        listed = self.page.locator('input[placeholder^="ex:"]')
        listed.fill(f"[{around[0]}...{around[-1]}]")
        listed.press("Tab")
        self.see(re.compile(f"^{partition}$")).click()
        self.see("Latest execution")

    def launch(self, button: str | re.Pattern[str], partitions: str, launch: str, picture: str) -> None:
        """Press a button that opens the launch dialog, choose partitions, and launch."""
        self.page.get_by_role("button", name=button).first.click()
        dialog = self.page.get_by_role("dialog")
        # Several assets have nothing chosen at first, and no field to write into until something is.
        dialog.get_by_role("button", name="All", exact=True).click()
        chosen = dialog.locator('input[placeholder^="ex:"]').last
        chosen.fill(partitions)
        chosen.press("Tab")
        ready = dialog.get_by_role("button", name=launch)
        expect(ready).to_be_enabled()
        self.keep(picture)
        ready.click()
        expect(dialog).to_be_hidden()


@contextmanager
def looking_at(address: str, program: str) -> Iterator[Screen]:
    """A browser window that is closed at the end; it talks to nobody but the address."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        try:
            page = browser.new_page(viewport={"width": 1500, "height": 1000})
            page.route(lambda asked: not asked.startswith((address, "data:", "blob:")), lambda route: route.abort())
            page.set_default_timeout(PATIENCE_SECONDS * 1000)
            expect.set_options(timeout=PATIENCE_SECONDS * 1000)
            yield Screen(address, page)
        finally:
            browser.close()
