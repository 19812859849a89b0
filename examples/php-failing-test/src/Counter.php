<?php

namespace Pipelinex\Counter;

final class Counter
{
    public static function words(string $text): int
    {
        return count(explode(' ', $text));
    }
}
