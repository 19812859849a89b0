<?php

function count_words(string $text): int
{
    return count(explode(" ", $text);
}
