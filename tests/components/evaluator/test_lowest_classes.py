from components.evaluator.lowest_classes import class_ious, lowest_classes


def test_few_classes_stay_in_their_order():
    assert lowest_classes([0.5, None, 0.1]) == [0, 1, 2]
    assert lowest_classes([0.0] * 20, most=20) == list(range(20))


def test_of_many_classes_the_ten_lowest_are_chosen_and_undefined_ones_left_out():
    values = [None, *(1 - number / 100 for number in range(30))]
    assert lowest_classes(values) == list(range(30, 20, -1))
    assert lowest_classes([None] * 11) == []


def test_ious_are_found_by_the_safe_names():
    assert class_ious({"iou/a_b": 0.5}, ["a b", "c"]) == [0.5, None]
