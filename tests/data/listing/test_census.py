from data.listing.census import Census


def test_counts_of_parts_may_be_merged_in_any_order():
    def census(number):
        part = Census(spans={number}, digests={number: str(number)})
        part.pairs["train"] = number
        part.unused.add(str(number), keys=(str(number),))
        part.without_group = str(number) if number else None
        return part

    one, two = Census(), Census()
    for number in range(4):
        one = one.merged(census(number))
        two = two.merged(census(3 - number))
    assert one == two
    assert (one.newest_span, one.without_group, one.pairs) == (3, "1", {"train": 6})
    assert one.fingerprint == two.fingerprint != Census().fingerprint
