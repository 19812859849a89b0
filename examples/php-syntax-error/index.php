<?php require "count.php"; ?>
<p><?= count_words("two words") ?></p>
