"""The page in a real browser: what a person does, and what is then to be seen."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from refnet.faces.detect import load_detector
from refnet.faces.pipeline import Pipeline
from refnet.formats.reading import read_model
from refnet.network import Network
from refnet.web.explorer import Explorer
from refnet.zoo.samples import sample_paths
from tests import localdata
from tests.browser import open_browser
from tests.web.server import served

MINUS = "\N{MINUS SIGN}"
BLANK = ("chrome://", "data:", "about:")


@pytest.fixture(scope="module")
def address(explorer):
    with served(explorer) as url:
        yield f"{url}/"


@pytest.fixture(scope="module")
def only_browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("browser"), width=1440, height=1000) as opened:
        yield opened


@pytest.fixture
def page(only_browser, address):
    """The page, fresh, and complete: the maps of the first block and the similarity are there."""
    only_browser.get_log("browser"), only_browser.get_log("performance")
    only_browser.get(address)
    return complete(only_browser)


def complete(browser):
    until(browser, lambda: tiles(browser) and re.match(rf"[{MINUS}0-9]", text(browser, "number")))
    return browser


def until(browser, true):
    return WebDriverWait(browser, 20).until(lambda _: true())


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def shown(browser, selector):
    """The text of an element in one step, since it may be replaced at any time; empty if there is none."""
    return browser.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)


def text(browser, name):
    return shown(browser, f"#{name}")


def tiles(browser):
    return browser.find_elements(By.CSS_SELECTOR, "#maps .tile")


def said(number):
    return float(number.replace(MINUS, "-"))


def choose_first_convolution(page):
    """Go to stage1_unit2_conv1 by keys alone."""
    one(page, "#block-0").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    until(page, lambda: text(page, "maps-told").startswith("_plus1: 4 maps of 56"))
    page.switch_to.active_element.send_keys(Keys.TAB)
    until(page, lambda: page.switch_to.active_element.get_attribute("role") != "")
    one(page, "#layers [aria-selected='true']").send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    until(page, lambda: text(page, "maps-told").startswith("stage1_unit2_conv1: 4 maps of 56"))


def test_it_opens_without_a_complaint_and_asks_nobody_else(page, address):
    assert page.complaints() == []
    asked = [url for url in page.requested() if not url.startswith(BLANK)]
    assert asked
    assert [url for url in asked if not url.startswith(address)] == []


def test_it_says_what_is_synthetic(page):
    assert "The weights of this network are made up" in text(page, "synthetic")
    assert "drawn" in text(page, "first-notes")


def test_a_unit_is_chosen_by_keys_and_its_maps_appear(page):
    choose_first_convolution(page)
    assert one(page, "#block-2").get_attribute("aria-selected") == "true"
    assert len(tiles(page)) == 4
    colours = page.execute_script(
        "const c = document.querySelector('#maps canvas');"
        "return new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    )
    assert colours > 50


def test_pointing_at_a_pixel_shows_its_window_and_a_sum_that_is_its_value(page, explorer):
    choose_first_convolution(page)
    canvas = one(page, "#maps canvas")
    ActionChains(page).move_to_element(canvas).perform()
    until(page, lambda: shown(page, "#sum .where").startswith("stage1_unit2_conv1, channel"))
    channel, row, column = map(int, re.findall(r"(?:channel|row|column) (\d+)", shown(page, "#sum .where")))
    expected = explorer.element("first", "stage1_unit2_conv1", (channel, row, column))["value"]
    assert said(shown(page, "#sum .value")) == pytest.approx(expected, rel=1e-7)
    assert said(text(page, "total")) == pytest.approx(expected, rel=1e-7)
    told = [said(cell.text) for cell in page.find_elements(By.CSS_SELECTOR, "#sum tbody tr:not(.total) .figure")]
    assert len(told) == 4
    assert sum(told) == pytest.approx(expected, abs=1e-5 * sum(map(abs, told)))
    assert f"rows {row - 1} to {row + 1}, columns {column - 1} to {column + 1}" in shown(page, "#sum figcaption")
    assert len(page.find_elements(By.CSS_SELECTOR, "#sum .heat")) == 8
    assert one(page, "#field").is_displayed()


def test_a_channels_sum_unfolds_into_its_products(page):
    choose_first_convolution(page)
    tiles(page)[0].send_keys(Keys.ENTER)
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, "#sum .figure .link"))
    unfold = one(page, "#sum .figure .link")
    unfold.send_keys(Keys.ENTER)
    cells = [cell.text.split("\n") for cell in page.find_elements(By.CSS_SELECTOR, "#sum .products table td")]
    assert len(cells) == 9
    for x, w, product in cells:
        assert said(x.removesuffix(" ·")) * said(w) == pytest.approx(said(product), rel=2e-3)
    sizes = sum(abs(said(product)) for _, _, product in cells)
    assert sum(said(product) for _, _, product in cells) == pytest.approx(said(unfold.text), abs=1e-3 * sizes)
    unfold.send_keys(Keys.ENTER)
    assert not page.find_elements(By.CSS_SELECTOR, "#sum .products")


def test_a_pixel_is_chosen_by_keys_and_left_again(page):
    choose_first_convolution(page)
    tiles(page)[0].send_keys(Keys.ARROW_RIGHT)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    until(page, lambda: "row 28, column 28" in shown(page, "#sum"))
    page.switch_to.active_element.send_keys(Keys.ARROW_DOWN, Keys.SHIFT + Keys.ARROW_LEFT)
    until(page, lambda: "row 29, column 20" in shown(page, "#sum"))
    until(page, lambda: "row 29, column 20: " in one(page, "#said").get_attribute("textContent"))
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(page, lambda: "Point at a pixel" in shown(page, "#sum"))


def test_a_number_is_followed_back_to_where_it_came_from(page):
    choose_first_convolution(page)
    tiles(page)[0].send_keys(Keys.ENTER)
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, "#sum .link"))
    for _ in range(2):  # the convolution's input, then the sum of the unit before
        before = shown(page, "#sum .where")
        one(page, "#sum .link").click()
        until(page, lambda before=before: shown(page, "#sum .where") not in ("", before))
    assert shown(page, "#sum .where").startswith("_plus0, channel")
    assert text(page, "maps-told").startswith("_plus0: 4 maps of 56")
    one(page, "#way-back").click()
    until(page, lambda: shown(page, "#sum .where").startswith("stage1_unit2_bn1, channel"))


def test_dragging_the_square_moves_the_similarity(page):
    square = one(page, "#square")
    before, label = text(page, "number"), square.get_attribute("aria-label")
    ActionChains(page).click_and_hold(square).move_by_offset(30, 40).move_by_offset(-60, 10).release().perform()
    until(page, lambda: text(page, "number") != before)
    assert square.get_attribute("aria-label") != label
    assert "by the square" in text(page, "change")
    assert len(one(page, "#history polyline").get_attribute("points").split()) >= 2


def test_the_square_is_moved_sized_and_taken_off_by_keys(page, explorer):
    square = one(page, "#square")
    square.send_keys(Keys.SHIFT + Keys.ARROW_LEFT, Keys.NULL, Keys.ARROW_UP, "+")
    until(
        page, lambda: square.get_attribute("aria-label") == "grey square, 33 from the left, 34 from the top, 30 pixels"
    )
    one(page, "#square-on").send_keys(Keys.SPACE)
    until(page, lambda: text(page, "change") == "nothing is covered")
    whole = explorer.similarity("first", "second")["whole"]
    assert said(text(page, "number")) == pytest.approx(whole, abs=5e-5)


def test_the_maps_can_see_the_square(page, explorer):
    choose_first_convolution(page)
    tiles(page)[0].send_keys(Keys.ENTER)
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, "#sum .value"))
    before = shown(page, "#sum .value")
    one(page, "#square-seen").click()
    until(page, lambda: shown(page, "#sum .value") not in ("", before))


def test_a_broken_file_gets_a_sentence_and_the_page_goes_on(page, tmp_path):
    broken = tmp_path / "holiday.jpg"
    broken.write_bytes(b"%PDF-1.7")
    one(page, "#file").send_keys(str(broken))
    until(page, lambda: "it looks like a PDF; extract the image first" in text(page, "problem"))
    assert text(page, "problem").startswith("holiday.jpg: ")
    before = text(page, "number")
    one(page, "#square").send_keys(Keys.SHIFT + Keys.ARROW_DOWN)
    until(page, lambda: text(page, "number") != before)
    assert not one(page, "#problem").is_displayed()


def test_an_image_is_given_and_its_name_is_never_markup(page, tmp_path):
    image = tmp_path / "<img src=x onerror=alert(1)>.png"
    image.write_bytes(sample_paths()[1].read_bytes())
    one(page, "#file").send_keys(str(image))
    choice = Select(one(page, "#first-choice"))
    until(page, lambda: len(choice.options) == 3)
    assert choice.first_selected_option.text == image.name
    until(page, lambda: text(page, "number") != "" and said(text(page, "number")) < 1)
    one(page, "#square-on").click()
    until(page, lambda: text(page, "number") == "1.0000")  # the same picture on both sides
    assert "taken as an aligned crop" in text(page, "first-notes")
    assert page.complaints() == []


def test_photographs_with_and_without_a_face_on_a_trained_network(only_browser, tmp_path):
    network = Network(read_model(localdata.path("models/mobilefacenet-arcface-mxnet.onnx")))
    detector = load_detector(localdata.path("models/face_detection_yunet_2023mar.onnx"))
    explorer = Explorer(network, Pipeline(detector))
    for name, file in (("first", "Rob_Lowe_0001.jpg"), ("second", "Rob_Lowe_0002.jpg")):
        crop, notes = explorer.album.crop_of(localdata.path(f"photos/{file}"), file)
        explorer.album.keep(name, file, crop, notes)
    Image.new("RGB", (300, 200), "#567").save(tmp_path / "wall.png")
    with served(explorer) as url:
        only_browser.get(f"{url}/")
        page = complete(only_browser)
        assert not one(page, "#synthetic").is_displayed()
        one(page, "#square-on").click()
        until(page, lambda: said(text(page, "number")) > 0.5)
        one(page, "#file").send_keys(str(tmp_path / "wall.png"))
        until(page, lambda: text(page, "problem") == "wall.png: no face was found")
        one(page, "#file").send_keys(str(localdata.path("photos/Abdullah_Gul_0013.jpg")))
        until(page, lambda: said(text(page, "number")) < 0.3)
        assert "the face was found in a photograph of 250 x 250 pixels" in text(page, "first-notes")
        assert not one(page, "#problem").is_displayed()
        one(page, "#block-1").click()  # has depthwise convolutions
        until(page, lambda: text(page, "maps-told").startswith("_plus0: 64 maps of 28"))


def test_two_browsers_at_once_do_not_know_of_each_other(page, address, tmp_path):
    with open_browser(tmp_path) as other:
        other.get(address)
        complete(other)
        choose_first_convolution(page)
        one(other, "#second-mirror").click()
        until(other, lambda: "mirrored" in text(other, "second-notes"))
        assert text(other, "maps-told").startswith("relu0")
        assert text(page, "maps-told").startswith("stage1_unit2_conv1")
        assert "mirrored" not in text(page, "second-notes")
        for browser in (page, other, page):
            before = text(browser, "number")
            one(browser, "#square").send_keys(Keys.SHIFT + Keys.ARROW_RIGHT)
            until(browser, lambda browser=browser, before=before: text(browser, "number") != before)


def test_a_page_of_another_origin_can_do_nothing_here(explorer, address, only_browser, tmp_path):
    (tmp_path / "index.html").write_text("<title>elsewhere</title>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as elsewhere:
        thread = threading.Thread(target=elsewhere.serve_forever)
        thread.start()
        try:
            only_browser.get(f"http://127.0.0.1:{elsewhere.server_port}/")
            tries = "const [url, how, done] = arguments; fetch(url, how).then(r => done(r.type), e => done('refused'))"
            face, upload = f"{address}api/face.png?face=first", f"{address}api/faces?name=x"
            assert only_browser.execute_async_script(tries, face, {}) == "refused"
            assert only_browser.execute_async_script(tries, face, {"mode": "no-cors"}) == "refused"
            held = len(explorer.album._uploads)
            for how in ({"method": "POST", "body": "x"}, {"method": "POST", "body": "x", "mode": "no-cors"}):
                assert only_browser.execute_async_script(tries, upload, how) == "refused"
            shown = "const [url, done] = arguments; const i = new Image(); i.onload = () => done('shown');"
            shown += "i.onerror = () => done('refused'); i.src = url"
            assert only_browser.execute_async_script(shown, face) == "refused"
            assert len(explorer.album._uploads) == held
        finally:
            elsewhere.shutdown()
            thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_):
        pass


def test_when_the_server_is_gone_the_page_says_so(explorer, only_browser):
    with served(explorer) as url:
        only_browser.get(f"{url}/")
        complete(only_browser)
    one(only_browser, "#square").send_keys(Keys.ARROW_DOWN)
    until(only_browser, lambda: "The explorer does not answer" in text(only_browser, "problem"))
    only_browser.complaints()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1000, 390])
def test_nothing_reaches_beyond_the_page_at_any_width(page, width, scheme):
    page.prefer(scheme)
    page.resize(width, 900)
    choose_first_convolution(page)
    tiles(page)[0].send_keys(Keys.ENTER)
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, "#sum .value"))
    try:
        assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        ground, ink = page.execute_script(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
            ".map(c => c.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0))"
        )
        assert (ground > ink) == (scheme == "light")
    finally:
        page.resize(1440, 1000)
        page.prefer("light")
