"""A session of ours beside one of onnxruntime's, on the same file with the same feed."""

import numpy as np
import onnxruntime
import pytest

from refnet import InputError, ModelError, UsageError
from refnet.compat import onnxruntime as ours
from refnet.zoo.samples import sample_images
from tests import localdata

MODELS = ["mobilefacenet-arcface-mxnet", "mobilefacenet-arcface-opset19", "face_detection_yunet_2023mar"]
IMAGES = sample_images()[:2].astype(np.float32)


@pytest.fixture(scope="module")
def session(narrow_path):
    return ours.InferenceSession(str(narrow_path))


@pytest.fixture(scope="module")
def theirs(narrow_path):
    return onnxruntime.InferenceSession(str(narrow_path))


def relative_l2(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("model", MODELS)
def test_trained_models_give_what_onnxruntime_gives(model):
    path = str(localdata.path(f"models/{model}.onnx"))
    one, other = ours.InferenceSession(path), onnxruntime.InferenceSession(path)
    (declared,) = one.get_inputs()
    extents = tuple(extent if isinstance(extent, int) else 1 for extent in declared.shape)
    x = np.random.default_rng(0).uniform(0, 255, extents).astype(np.float32)
    if model == "mobilefacenet-arcface-opset19":
        x = (x - np.float32(127.5)) / np.float32(127.5)
    results, expected = one.run(None, {declared.name: x}), other.run(None, {declared.name: x})
    assert [array.shape for array in results] == [array.shape for array in expected]
    assert {array.dtype for array in results} == {np.dtype(np.float32)}
    # docs/validation.md holds both beside float64; two float32 runs lie no further apart than their errors together.
    assert max(map(relative_l2, results, expected)) < 1e-4
    names = [output.name for output in one.get_outputs()]
    assert names == [output.name for output in other.get_outputs()]
    for mine, its in zip(
        [*one.get_inputs(), *one.get_outputs()], [*other.get_inputs(), *other.get_outputs()], strict=True
    ):
        assert (mine.name, mine.type) == (its.name, its.type)
        assert mine.shape == [extent if isinstance(extent, int) else None for extent in its.shape]
    backwards = one.run(names[::-1], {declared.name: x})
    assert all(np.array_equal(a, b) for a, b in zip(backwards, results[::-1], strict=True))


def test_none_and_empty_mean_all_outputs_and_names_may_repeat(session, theirs):
    feed = {"data": IMAGES[:1]}
    expected = theirs.run(None, feed)[0]
    for names in (None, [], ["fc1"], ["fc1", "fc1"]):
        results = session.run(names, feed)
        assert len(results) == len(theirs.run(names, feed))
        assert all(relative_l2(array, expected) < 1e-4 for array in results)


def test_lists_are_converted_as_theirs_and_views_need_no_copy(session, theirs):
    listed = {"data": IMAGES[:1].tolist()}
    assert relative_l2(session.run(None, listed)[0], theirs.run(None, listed)[0]) < 1e-4
    mirrored = {"data": IMAGES[:1, :, :, ::-1]}
    assert relative_l2(session.run(None, mirrored)[0], theirs.run(None, mirrored)[0]) < 1e-4


@pytest.mark.parametrize(
    ("names", "feed", "shared"),
    [
        (["zz"], {"data": IMAGES[:1]}, "Invalid output name:"),
        (None, {"data": IMAGES[:1], "b": IMAGES}, "Invalid input name: b"),
        (None, {"zz": IMAGES[:1]}, r"Required inputs \(\['data'\]\) are missing from input feed \(\['zz'\]\)."),
        (None, {}, r"Required inputs \(\['data'\]\) are missing from input feed \(\[\]\)."),
        (None, {"data": IMAGES[:1].astype(np.float64)}, r"Unexpected input data type. Actual: \(tensor\(double\)\) , expected: \(tensor\(float\)\)"),
        (None, {"data": IMAGES[:1].astype(np.uint8)}, r"Actual: \(tensor\(uint8\)\)"),
        (None, {"data": IMAGES[:1].astype(np.float16)}, r"Actual: \(tensor\(float16\)\)"),
        (None, {"data": IMAGES[0]}, "Invalid rank for input: data Got: 3 Expected: 4"),
        (None, {"data": IMAGES[:1, :, :100]}, r"(?s)Got invalid dimensions for input: data.*index: 2 Got: 100 Expected: 112"),
    ],
)  # fmt: skip
def test_both_refuse_the_same_calls_in_the_same_words(session, theirs, names, feed, shared):
    with pytest.raises(Exception, match=shared):
        theirs.run(names, feed)
    with pytest.raises(ours.InvalidArgument, match=shared) as refusal:
        session.run(names, feed)
    assert isinstance(refusal.value, ValueError)
    assert isinstance(refusal.value, InputError)


def test_a_refused_dtype_says_what_to_do(session):
    with pytest.raises(InputError, match=r"Give images.astype\(numpy.float32\)"):
        session.run(None, {"data": IMAGES.astype(np.float64)})
    with pytest.raises(InputError, match="output names are 'fc1'; expected a list"):
        session.run("fc1", {"data": IMAGES})


def test_any_number_of_images_is_taken_whatever_the_file_declares(session):
    assert session.get_inputs()[0].shape == [1, 3, 112, 112]
    both = session.run(None, {"data": IMAGES})[0]
    assert both.shape[0] == 2
    assert np.array_equal(both[1:], session.run(None, {"data": IMAGES[1:]})[0])


def test_normalised_pixels_are_refused_where_the_graph_scales_them(session):
    with pytest.raises(InputError, match=r"image values span .* expected 0 to 255"):
        session.run(None, {"data": (IMAGES - 127.5) / 128})


def test_threads_are_honoured_and_change_no_bit(narrow_path, session):
    options = ours.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ours.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = ours.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    single = ours.InferenceSession(narrow_path, options, providers=["CPUExecutionProvider"])
    assert single.get_session_options() is options
    assert single.network._engine._team.threads == 1
    assert np.array_equal(single.run(None, {"data": IMAGES})[0], session.run(None, {"data": IMAGES})[0])


def test_the_levels_and_modes_are_theirs():
    for mine, its in (
        (ours.GraphOptimizationLevel, onnxruntime.GraphOptimizationLevel),
        (ours.ExecutionMode, onnxruntime.ExecutionMode),
    ):
        assert {entry.name: int(entry) for entry in mine} == {
            name: int(entry) for name, entry in its.__members__.items()
        }


def test_options_that_refnet_cannot_serve_are_refused():
    options = ours.SessionOptions()
    for name, value in (("enable_profiling", True), ("optimized_model_filepath", "x"), ("bogus", 1)):
        with pytest.raises(UsageError, match=f"session option {name} is not one that refnet serves"):
            setattr(options, name, value)
    for threads in (-1, "2", None):
        with pytest.raises(UsageError, match="expected a number of threads, 0 for all cores"):
            options.intra_op_num_threads = threads


def test_every_option_is_one_of_theirs():
    assert ours.SessionOptions._WITHOUT_EFFECT | {"intra_op_num_threads"} <= set(dir(onnxruntime.SessionOptions))


def test_other_providers_are_warned_about_and_the_cpu_computes(narrow_path):
    with pytest.warns(UserWarning, match="CUDAExecutionProvider not available; refnet computes on the CPU"):
        session = ours.InferenceSession(
            narrow_path, providers=[("CUDAExecutionProvider", {"device_id": 0}), "CPUExecutionProvider"]
        )
    assert session.get_providers() == ["CPUExecutionProvider"] == ours.get_available_providers()
    assert ours.get_device() == onnxruntime.get_device() == "CPU"
    with pytest.raises(UsageError, match="expected a list of names"):
        ours.InferenceSession(narrow_path, providers="CPUExecutionProvider")


def test_a_model_may_come_as_bytes(narrow_path, session):
    loaded = ours.InferenceSession(narrow_path.read_bytes())
    assert np.array_equal(loaded.run(None, {"data": IMAGES})[0], session.run(None, {"data": IMAGES})[0])


def test_what_is_not_served_is_refused_by_its_name(narrow_path, session):
    with pytest.raises(AttributeError, match="refnet's InferenceSession has no 'io_binding'; it has run, get_inputs"):
        session.io_binding()
    with pytest.raises(UsageError, match="takes no argument read_config_from_model"):
        ours.InferenceSession(narrow_path, read_config_from_model=1)
    with pytest.raises(UsageError, match=r"sess_options are onnxruntime.*SessionOptions; expected refnet.compat"):
        ours.InferenceSession(narrow_path, onnxruntime.SessionOptions())
    with pytest.raises(UsageError, match="takes no run_options"):
        session.run(None, {"data": IMAGES}, onnxruntime.RunOptions())
    with pytest.raises(ModelError, match=r"absent.onnx"):
        ours.InferenceSession("absent.onnx")
    for name in ours.SERVED.split(", "):
        assert hasattr(onnxruntime.InferenceSession, name)
        assert hasattr(session, name)
