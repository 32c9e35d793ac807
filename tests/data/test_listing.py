"""What the arrangement of a folder is taken for, and what is refused."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from unsup.core.errors import UserError
from unsup.data.layout import ClassFolders
from unsup.data.listing import FolderListing, list_folder
from unsup.data.split_names import split_folder

NFC, NFD = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def fill(top: Path, folders: str, n: int = 12) -> Path:
    """Make folders of n files "0.png", and others, from words like "train/a test/a:3 notes.txt"."""
    for word in folders.split():
        place, _, count = word.partition(":")
        if Path(place).suffix or (place.startswith(".") and place != "."):
            (top / place).parent.mkdir(parents=True, exist_ok=True)
            (top / place).write_bytes(b"x")
            continue
        (top / place).mkdir(parents=True, exist_ok=True)
        for i in range(int(count or n)):
            (top / place / f"{i}.png").touch()
    return top


def read(top: Path, rule: ClassFolders = "auto") -> str:
    return list_folder(top, rule).draw_test().summary()


def refusal(top: Path, rule: ClassFolders = "auto") -> str:
    with pytest.raises(UserError) as error:
        list_folder(top, rule)
    assert str(top) in str(error.value) and "\n" not in str(error.value)
    return str(error.value).replace(str(top), "X")


TAKEN = " test images (drawn from the training images)"
TWO = "2 classes (training: a 12, b 12), 24 training and 24 test images"
DRAWN = "2 classes (training: a 10, b 10), 20 training and 4" + TAKEN
NONE = "no classes (data.class_folders is none)"
ALBUM = "no classes (folders of an album or archive), 20 training and 4" + TAKEN


@pytest.mark.parametrize(
    ("folders", "summary"),
    [
        # splits by other names, wrapped, with layers
        ("Training/a Training/b Testing/a Testing/b", TWO),
        ("TRAIN/a TRAIN/b TEST/a TEST/b", TWO),
        ("TrainSet/a TrainSet/b test_set/a test_set/b", TWO),
        ("mnist_train/a mnist_train/b mnist_test/a mnist_test/b", TWO),
        ("seg_train/seg_train/a seg_train/seg_train/b seg_test/seg_test/a seg_test/seg_test/b", TWO),
        (
            "data/cifar10/train/a data/cifar10/train/b data/cifar10/test/a data/cifar10/test/b data/README.md",
            TWO + "; left out: 1 .md",
        ),
        ("train/a/images train/b/images test/a/images test/b/images", TWO),
        ("训练集/a 训练集/b 测试集/a 测试集/b", TWO),
        (
            "train/a train/b val/a:2 val/b:3 test/a test/b",
            "2 classes (training: a 12, b 12), 24 training, 5 validation and 24 test images",
        ),
        (
            "train/a train/b valid/a:2 valid/b:3",
            "2 classes (training: a 10, b 10), 20 training, 5 validation and 4" + TAKEN,
        ),
        (
            "train/a train/b dev/a:2 dev/b:3",
            "2 classes (training: a 10, b 10), 20 training, 5 validation and 4" + TAKEN,
        ),
        ("train:24 validation:5 test:3", "no classes, 24 training, 5 validation and 3 test images"),
        (
            "train/images:24 train/labels/0.txt valid/images:3 valid/labels/0.txt",
            "no classes, 20 training, 3 validation and 4" + TAKEN + "; left out: 2 .txt",
        ),
        (
            "images/train2017:24 images/val2017:3 images/masks_train2017/0.txt",
            "no classes, 20 training, 3 validation and 4" + TAKEN + "; left out: 1 .txt",
        ),
        ("train/train:24 test1/test1:3", "no classes, 24 training and 3 test images"),
        (
            "train/a train/b test/a",
            "2 classes (training: a 12, b 12), 24 training and 12 test images; no test image of b",
        ),
        # splits inside classes
        ("a/train a/test b/train b/test", TWO),
        ("wrap/a/Train wrap/a/Test wrap/b/training wrap/b/testing", TWO),
        ("a/train/images a/test b/train b/test/b", TWO),
        (
            "a/train a/val:2 a/test b/train b/valid:3",
            "2 classes (training: a 12, b 12), 24 training, 5 validation and 12 test images; no test image of b",
        ),
        # test images whose classes are secret
        ("train/a train/b test:5", DRAWN + "; left out: 5 test images without a class"),
        (
            "train/a train/b val/a:2 val/b:3 test/images:5 sample_submission.csv",
            "2 classes (training: a 10, b 10), 20 training, 5 validation and 4"
            + TAKEN
            + "; left out: 5 test images without a class, 1 .csv",
        ),
        # classes without splits
        ("a b", DRAWN),
        ("wrap/wrap/a wrap/wrap/b", DRAWN),
        ("a/only b", DRAWN),
        ("a b __MACOSX/a a/@eaDir/0.jpg Thumbs.db .DS_Store a/._0.png .cache/0.png", DRAWN),
        ("a b a/0.HEIC a/1.heic notes.txt", DRAWN + "; left out: 2 .heic, 1 .txt"),
        ("a b all.zip", DRAWN + "; left out: 1 .zip; archives need to be unpacked"),
        ("top/a top/b", DRAWN),
        ("images/a images/b labels.csv", DRAWN + "; left out: 1 .csv"),
        ("a b docs/0.txt", DRAWN + "; left out: 1 .txt"),
        (
            "bullet_train a",
            "2 classes (training: a 10, bullet_train 10), 20 training and 4" + TAKEN,
        ),
        ("A a", "2 classes (training: A 10, a 10), 20 training and 4" + TAKEN),
        # without classes
        (".:24", "no classes, 20 training and 4" + TAKEN),
        ("all:24", "no classes, 20 training and 4" + TAKEN),
        ("train/all:24", "no classes (one class, all), 20 training and 4" + TAKEN),
        ("2023/05/01 2024/june", ALBUM),
        ("2024/may 2024/june", ALBUM),
        ("2024-05-01_Rome 2024-06", ALBUM),
        ("DCIM/100CANON DCIM/101CANON", ALBUM),
        ("100APPLE 101APPLE", ALBUM),
        ("DCIM/Camera DCIM/Screenshots", ALBUM),
        ("images_part_1 images_part_2", ALBUM),
        ("images_001/images images_002/images", ALBUM),
    ],
)
def test_a_folder_is_read_as_it_looks(tmp_path: Path, folders: str, summary: str) -> None:
    text = read(fill(tmp_path, folders))
    assert text.partition("; pip install")[0] == summary


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ("train/a train/b c", "X holds train/, named like a split, beside c/: move all images into train/, test/ and"),
        ("train bus car", "X holds train/, named like a split, beside bus/: "),
        ("test a b", "X holds test/, named like a split, beside a/: "),
        ("train/a test/a chest/train/a", "X holds test/, train/, named like splits, beside chest/: "),
        ("seg_train/a seg_test/a seg_pred", "X holds seg_test/, seg_train/, named like splits, beside seg_pred/: "),
        ("train/a training/a test/a", "X holds test/, train/, training/, of which two are named like the same split"),
        ("trainA trainB testA testB", "X holds testA/, testB/, trainA/, trainB/, of which two are named like the same"),
        ("test/a test/b val/a", "X holds test/ and val/ but no train/: put the training images there"),
        (
            "train/a train/b val test",
            "X: class folders are in train/ and not in val/ and test/: use them",
        ),
        ("train:24 test/a", "X: class folders are in test/ and not in train/: use them everywhere or nowhere"),
        ("train/a train/b test/unknown", "X/test has class folders that the training images lack (unknown; those have"),
        ("train/n1/images train/n2/images val/images:3", "X: class folders are in train/ and not in val/: "),
        (
            "train/a train/b test/a test/c",
            "X/test has class folders that the training images lack (c; those have a, b)",
        ),
        ("train/a:24 test/b", "X/test has class folders that the training images lack (b; those have a)"),
        ("a/x a/y b", "X/a holds only folders (x/, y/): expected are train/<class>/… and test/<class>/… (val/ if"),
        ("a a/old b", "X/a holds images and also folders (old/): expected are"),
        ("a/train a/test b", "X/a holds only folders (test/, train/): expected are"),
        ("a/train a/test b/test", "X/a holds only folders (test/, train/): expected are"),
        ("a/train a/test a/old b/train b/test", "X/a holds only folders (old/, test/, train/): expected are"),
        ("a/train a/training b/train b/test", "X/a holds only folders (train/, training/): expected are"),
        ("fold1/a fold1/b fold2/a fold2/b", "X/fold1 holds only folders (a/, b/): expected are"),
        (
            "a b unlabelled",
            "X holds unlabelled/ among class folders: move it elsewhere, or if it is a class",
        ),
        ("a b Not_Sorted", "X holds Not_Sorted/ among class folders: move it elsewhere"),
        ("a b c/all.zip", "X/c holds no image that can be read (left out: 1 .zip; archives need to be unpacked): add"),
        ("all.zip", "X holds 0 images (left out: 1 .zip; archives need to be unpacked) and needs at least 20"),
        ("a b/x/y b/x/z", "X/b holds only folders (x/): expected are"),
        (". a", "X mixes images one folder deep (a/0.png), which are labelled by it, with others (0.png): put every"),
        ("images masks", "X holds images/ and masks/, which look like images and their masks: leave only the images"),
        ("a/images a/masks b/images b/masks", "X/a holds images/ and masks/, which look like images and their masks"),
        ("v/JPEGImages v/SegmentationClass", "X/v holds JPEGImages/ and SegmentationClass/, which look like images"),
        (
            "Cat cat",
            "X holds classes that differ only in case or Unicode form ('Cat', 'cat'): merge them, or rename one",
        ),
        (f"{NFC} {NFD}", "X holds classes that differ only in case or Unicode form ('cafe\\u0301', 'caf\\xe9')"),
        ("a b c/0.HEIC c/1.HEIC", "X/c holds no image that can be read (left out: 2 .heic; "),
        ("a:24 c/0.mp4", "X/c holds no image that can be read (left out: 1 .mp4): add some or remove it"),
        ("a b c:0", "X/c holds no image that can be read: add some or remove it"),
        ("train/a train/b test/c.HEIC", "X/test holds 0 images (left out: 1 .heic; "),
        ("a:3 0.tga 1.tga", "X/a holds 3 images and needs at least 20 (known are .png .apng .jpg .jpeg .jpe .jfif"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_was_seen(tmp_path: Path, folders: str, expected: str) -> None:
    assert refusal(fill(tmp_path / "top", folders)).startswith(expected)


def test_a_class_of_files_without_suffix_is_no_class_to_drop(tmp_path: Path) -> None:
    fill(tmp_path, "a b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0001").write_bytes(b"x")
    assert refusal(tmp_path).startswith("X/c holds no image that can be read (left out: 1 without suffix)")


@pytest.mark.parametrize(
    ("folders", "rule", "summary"),
    [
        (
            "train bus",
            "top",
            "2 classes (training: bus 10, train 10), 20 training and 4" + TAKEN,
        ),
        ("a/x:6 a/y:6 b", "top", DRAWN),
        ("train/a/x:6 train/a/y:6 train/b test/a test/b", "top", TWO),
        (
            "images masks",
            "top",
            "2 classes (training: images 10, masks 10), 20 training and 4" + TAKEN,
        ),
        (
            "2023 2024",
            "top",
            "2 classes (training: 2023 10, 2024 10), 20 training and 4" + TAKEN,
        ),
        ("a/x a/y", "none", ALBUM.replace("folders of an album or archive", "data.class_folders is none")),
        ("a/train a/test b/train b/test", "none", TWO.replace("2 classes (training: a 12, b 12)", NONE)),
        ("a/train a/test b/train b/test", "top", TWO),
        ("a b unlabelled", "top", "3 classes (training: a 10, b 10, unlabelled 10), 30 training and 6" + TAKEN),
        ("train/a train/b test", "none", "no classes (data.class_folders is none), 24 training and 12 test images"),
    ],
)
def test_the_user_says_what_folders_are(tmp_path: Path, folders: str, rule: ClassFolders, summary: str) -> None:
    assert read(fill(tmp_path, folders), rule) == summary


@pytest.mark.parametrize("rule", ["top", "none"])
def test_no_option_mixes_test_images_with_others(tmp_path: Path, rule: ClassFolders) -> None:
    assert "named like splits, beside extra/" in refusal(fill(tmp_path, "train test extra"), rule)


def test_splits_inside_classes_keep_their_files_and_labels(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path, "b/train:11 b/test:1 a/train:10 a/test:2"))
    assert listing.splits["test"].files == ["a/test/0.png", "a/test/1.png", "b/test/0.png"]
    train, test = (listing.splits[name].labels for name in ("train", "test"))
    assert train is not None and train.tolist() == [0] * 10 + [1] * 11
    assert test is not None and test.tolist() == [0, 0, 1]


def test_classes_of_other_splits_may_be_spelt_otherwise(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path, f"train/{NFC} train/Tea test/{NFD}:2 test/tea:3"))
    labels = listing.splits["test"].labels
    assert listing.class_names == ("Tea", NFC)
    assert labels is not None and labels.tolist() == [1, 1, 0, 0, 0]


def test_a_listing_names_the_files_of_each_split_and_those_left_out(tmp_path: Path) -> None:
    listing: FolderListing = list_folder(fill(tmp_path, "train/b:11 train/a:11 val/a:1 test/b:2 test/x.heic 1.txt"))
    assert list(listing.splits) == ["train", "val", "test"]
    assert listing.splits["val"].files == ["val/a/0.png"] and listing.splits["test"].files == [
        "test/b/0.png",
        "test/b/1.png",
    ]
    assert listing.files[:2] == ["train/a/0.png", "train/a/1.png"] and listing.files[-1] == "test/b/1.png"
    train = listing.splits["train"].labels
    assert train is not None and train.tolist() == [0] * 11 + [1] * 11
    assert listing.left_out == {".txt": ["1.txt"], ".heic": ["test/x.heic"]}
    assert listing.draw_test() is listing and not listing.drawn


def test_images_left_out_of_a_listing_are_counted(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path, "a b:13"))
    less = listing.without({"a/3.png", "b/0.png"})
    assert less.splits["train"].files == [f for f in listing.files if f not in ("a/3.png", "b/0.png")]
    assert less.draw_test().summary().endswith("; left out: 2 unreadable")
    with pytest.raises(UserError, match="no training image of a can be read"):
        list_folder(fill(tmp_path / "more", "a:2 b:30")).without({"a/0.png", "a/1.png"})
    with pytest.raises(UserError, match="holds 19 images that can be read and needs at least 20"):
        listing.without({f"a/{i}.png" for i in range(6)})


def test_a_drawn_test_split_is_the_same_every_time(tmp_path: Path) -> None:
    fill(tmp_path, "a b")
    first, second = (list_folder(tmp_path).draw_test() for _ in range(2))
    assert first.splits["test"].files == second.splits["test"].files == ["a/2.png", "a/8.png", "b/4.png", "b/7.png"]
    assert first.drawn and np.array_equal(first.splits["test"].labels, [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("name", "split", "rest"),
    [
        ("Training Set (1)", "train", ()),
        ("ILSVRC2012_img_val", "val", ("ilsvrc",)),
        ("TestImages", "test", ()),
        ("validation-data", "val", ()),
        ("trn", "train", ()),
    ],
)
def test_names_of_splits(name: str, split: str, rest: tuple[str, ...]) -> None:
    assert split_folder(name) == (split, rest)


@pytest.mark.parametrize("name", ["trains", "contest", "value", "invalid", "train_test", "a", "2024"])
def test_names_that_only_resemble_those_of_splits(name: str) -> None:
    assert split_folder(name) is None
