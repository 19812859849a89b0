<?php

$licence = getenv("LICENCE_KEY");
if ($licence === false) {
    throw new RuntimeException("no licence: set LICENCE_KEY");
}
echo "licensed\n";
