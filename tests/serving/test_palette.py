from serving.palette import colour

IGNORE = 255


def test_neighbouring_classes_have_different_colours_and_ignored_pixels_are_grey():
    colours = [colour(class_id) for class_id in range(7)]
    assert len(set(colours)) == 7
    assert colour(7) == colour(0)
    assert colour(IGNORE) == (128, 128, 128)
    assert colour(IGNORE) not in colours
