"""The page in a real browser: what it asks for, what it says when it is used, how it looks to those who use it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from refnet.audit.report.page.render import render
from tests.audit.report.page import documents
from tests.browser import Browser, open_browser

PHONE = (360, 740)
Visit = Callable[..., str]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {name: folder / f"{name}.html" for name in ("document", "sick", "faces", "hostile", "large")}
    for name, path in made.items():
        path.write_text(render(getattr(documents, name)()), encoding="utf-8")
    return made


@pytest.fixture
def visit(browser: Browser, pages: dict[str, Path]) -> Visit:
    def go(name: str, fragment: str = "", *, size: tuple[int, int] = (1280, 900), scheme: str = "light") -> str:
        browser.get("about:blank")
        browser.complaints(), browser.requested()
        browser.resize(*size, touch=size == PHONE)
        browser.prefer(scheme)
        address = pages[name].as_uri()
        browser.get(address + fragment)
        return address

    return go


def column(browser: Browser, number: int) -> list[str]:
    script = "return [...document.querySelectorAll('#layers-table tbody tr:not([hidden])')].map(r => r.cells[arguments[0]].textContent)"
    found: list[str] = browser.execute_script(script, number)
    return found


def panel_title(browser: Browser) -> str | None:
    found: str | None = browser.execute_script(
        "return document.getElementById('panel').hidden ? null : document.getElementById('panel-title').textContent"
    )
    return found


def focused(browser: Browser) -> dict[str, Any]:
    found: dict[str, Any] = browser.execute_script(
        "const e = document.activeElement; return {id: e.id, href: e.getAttribute('href'), text: e.textContent}"
    )
    return found


@pytest.mark.parametrize("name", ["document", "sick", "faces", "hostile", "large"])
def test_it_opens_from_a_file_asks_for_nothing_else_and_complains_of_nothing(
    browser: Browser, visit: Visit, name: str
) -> None:
    address = visit(name, "#layer-1")
    browser.execute_script("document.querySelectorAll('details').forEach(it => { it.open = true; })")
    browser.execute_script("for (const b of document.querySelectorAll('th button')) b.click()")

    asked = {found for found in browser.requested() if not found.startswith("data:")}
    assert {found.partition("#")[0] for found in asked} == {address}
    assert browser.complaints() == []


def test_hostile_names_are_text_and_nothing_else(browser: Browser, visit: Visit) -> None:
    visit("hostile")
    for layer in range(11):
        browser.execute_script("location.hash = `#layer-${arguments[0]}`", layer)
        browser.execute_async_script("setTimeout(arguments[0], 20)")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    for option in browser.find_elements(By.CSS_SELECTOR, "#measure option"):
        option.click()

    strange = browser.execute_script(
        "return [...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name))"
        " || e.localName === 'b' || (e.localName === 'img' && !/^data:image\\/png;base64,/.test(e.getAttribute('src'))))"
        ".map(e => e.outerHTML)"
    )
    assert strange == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2
    assert browser.title == f"{documents.ALERT}: audit report"
    text = browser.execute_script("return document.body.textContent")
    assert not set("\u202e\u2028\x00\x1b\r").intersection(text)
    assert r"one\ntwo\r\u2028three\x00\x1b[31m" in text
    assert "{{ 7 * 7 }}$x^2$" in text


def test_columns_sort_by_number_and_missing_ones_stay_last(browser: Browser, visit: Visit) -> None:
    visit("large")
    header = browser.find_elements(By.CSS_SELECTOR, "#layers-table thead th")[0]
    header.find_element(By.TAG_NAME, "button").click()

    assert column(browser, 0) == [str(n) for n in range(412, 0, -1)]  # as text, 99 would come first
    assert header.get_attribute("aria-sort") == "descending"

    visit("document")
    headers = browser.find_elements(By.CSS_SELECTOR, "#layers-table thead th")
    place = [it.text.split("\n")[0] for it in headers].index("multiply-adds")
    for direction, expected in (
        ("descending", ["4.61 M", "144 k", "144 k", "144 k", "72 k"]),
        ("ascending", ["72 k", "144 k", "144 k", "144 k", "4.61 M"]),
    ):
        headers[place].find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        assert headers[place].get_attribute("aria-sort") == direction
        assert column(browser, place) == [*expected, *["–"] * 6]
    assert [it.get_attribute("aria-sort") for it in headers].count("none") == len(headers) - 1


def test_search_and_filters_narrow_the_table_and_say_how_many_are_left(browser: Browser, visit: Visit) -> None:
    visit("sick")
    browser.find_element(By.ID, "search").send_keys("UNIT1 conv")
    assert column(browser, 1) == ["unit1_conv1", "unit1_sc"]  # the second is a Conv
    assert browser.find_element(By.ID, "count").text == "2 of 11 layers"

    browser.find_element(By.ID, "search").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    browser.find_element(By.CSS_SELECTOR, "#filter-op option[value=Add]").click()
    assert column(browser, 1) == ["plus0", "plus1"]

    browser.find_element(By.CSS_SELECTOR, "#filter-op option[value='']").click()
    for state, expected in (("departs", ["unit1_conv1"]), ("dead", ["unit1_bn1"]), ("flagged", ["conv0"])):
        browser.find_element(By.CSS_SELECTOR, f"#filter-state option[value={state}]").click()
        assert column(browser, 1) == expected


def test_a_layer_opens_by_its_row_by_its_block_and_by_address(browser: Browser, visit: Visit) -> None:
    visit("document", "#layer-5")
    assert panel_title(browser) == "plus0"

    visit("document")
    assert panel_title(browser) is None
    browser.execute_script("document.querySelector('#layers-table tbody tr[data-layer=\"3\"] td:last-child').click()")
    assert panel_title(browser) == "unit1_conv1"
    assert browser.execute_script("return location.hash") == "#layer-3"

    block = browser.find_element(By.CSS_SELECTOR, "#map a[data-layer='0']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", block)
    before = browser.execute_script("return scrollY")
    block.click()
    assert panel_title(browser) == "conv0"
    assert browser.execute_script("return scrollY") == before  # the picture stays where it is
    assert browser.find_element(By.CSS_SELECTOR, "#map a[aria-current]").get_attribute("data-layer") == "0"

    browser.back()
    assert panel_title(browser) == "unit1_conv1"


def test_a_layer_opens_by_keyboard_and_gives_the_focus_back(browser: Browser, visit: Visit) -> None:
    visit("document")
    browser.execute_script("document.querySelector('#layers-table tbody a').focus()")
    for key in (Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP):
        browser.switch_to.active_element.send_keys(key)
    assert focused(browser)["href"] == "#layer-1"

    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert panel_title(browser) == "relu0"
    assert focused(browser)["id"] == "panel-title"
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert panel_title(browser) == "unit1_bn1"
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)  # there is none before the first
    assert panel_title(browser) == "conv0"

    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert panel_title(browser) is None
    assert focused(browser)["href"] == "#layer-1"
    assert browser.execute_script("return location.hash") == ""


def test_the_picture_is_one_stop_and_arrows_walk_through_it(browser: Browser, visit: Visit) -> None:
    visit("document")
    stops = browser.execute_script("return document.querySelectorAll('#map a[tabindex=\"0\"]').length")
    assert stops == 1

    browser.execute_script("document.querySelector('#map a[tabindex=\"0\"]').focus()")
    for _ in range(3):
        browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert focused(browser)["href"] == "#layer-3"


def test_the_first_tab_leads_past_the_contents(browser: Browser, visit: Visit) -> None:
    visit("document")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert focused(browser)["text"] == "Skip to the report"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert focused(browser)["id"] == "report"


def test_another_measure_colours_the_picture_anew(browser: Browser, visit: Visit) -> None:
    visit("sick")
    assert browser.find_element(By.CSS_SELECTOR, "#map a.over").get_attribute("data-layer") == "3"

    browser.find_element(By.CSS_SELECTOR, "#measure option[value=kind]").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "#map a.op-conv")) == 4
    assert "convolution" in browser.find_element(By.ID, "legend").text

    browser.find_element(By.CSS_SELECTOR, "#measure option[value=dead]").click()
    assert browser.find_element(By.CSS_SELECTOR, "#map a.over").get_attribute("data-layer") == "2"


def test_a_panel_draws_every_histogram_with_a_bar_for_each_bin(browser: Browser, visit: Visit) -> None:
    visit("document", "#layer-0")
    histograms = browser.find_elements(By.CSS_SELECTOR, "#panel svg.histogram")

    assert len(histograms) == 2  # of the activations, and of the one weight
    bars = histograms[0].find_elements(By.TAG_NAME, "rect")
    assert [it.find_element(By.TAG_NAME, "title").get_attribute("textContent") for it in bars][2:5] == [
        "−2⁻²⁰: 6.72 %", "0: 16.8 %", "2⁻²⁰: 50.4 %",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["sick", "faces", "hostile", "large"])
def test_a_phone_never_scrolls_sideways(browser: Browser, visit: Visit, name: str) -> None:
    for fragment in ("", "#layer-1"):
        visit(name, fragment, size=PHONE)
        browser.execute_script("document.querySelectorAll('details').forEach(it => { it.open = true; })")
        assert browser.execute_script("return document.documentElement.scrollWidth") == PHONE[0]
        assert browser.execute_script("return document.getElementById('panel').scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("name", ["sick", "faces", "large"])
def test_on_paper_nothing_is_cut_off(browser: Browser, visit: Visit, name: str) -> None:
    visit(name, size=(760, 1100))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 760
        assert not browser.find_element(By.CSS_SELECTOR, "nav").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Browser, visit: Visit, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 demands of small text (success criterion 1.4.3)."""
    for name in ("sick", "faces"):
        visit(name, scheme=scheme)
        browser.execute_script("document.querySelectorAll('details').forEach(it => { it.open = true; })")
        for option in browser.find_elements(By.CSS_SELECTOR, "#measure option"):
            option.click()
            assert browser.execute_script(CONTRAST) == []
        browser.execute_script("location.hash = '#layer-3'")
        browser.execute_async_script("setTimeout(arguments[0], 20)")
        assert panel_title(browser) == "unit1_conv1"
        assert browser.execute_script(CONTRAST) == []


def test_without_scripts_everything_but_panels_is_there(browser: Browser, visit: Visit) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit("document", "#layer-3")
        shown = {it.get_attribute("id"): it.is_displayed() for it in browser.find_elements(By.CSS_SELECTOR, "[id]")}
        assert [name for name in ("map-controls", "layer-controls", "panel") if shown[name]] == []
        assert len(browser.find_elements(By.CSS_SELECTOR, "#layers-table tbody tr")) == 11
        assert len(browser.find_elements(By.CSS_SELECTOR, "#map a.block")) == 10
        assert browser.find_elements(By.CSS_SELECTOR, "th button") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const linear = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const contrast = (a, b) => {
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
};
const ground = (element) => {
  if (element.closest('a.block')) {
    const shape = element.closest('a.block').querySelector('rect, circle');
    return parse(getComputedStyle(shape).fill);
  }
  for (let it = element; it; it = it.parentElement) {
    const found = parse(getComputedStyle(it).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const faint = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !element.checkVisibility() || element.closest('script, title, [disabled]')) continue;
  const style = getComputedStyle(element);
  const inSvg = element instanceof SVGElement;
  const ratio = contrast(parse(inSvg ? style.fill : style.color), ground(element));
  if (ratio < 4.5) faint.push(`${walk.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
}
return [...new Set(faint)];
"""
