from wordcount import count


def test_counts_without_case():
    assert count("A rose is a rose") == {"a": 2, "rose": 2, "is": 1}
