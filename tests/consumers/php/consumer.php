<?php
// Calls STS all the time with AsyncAws and the credentials that it finds by itself. Prints a line of JSON for each call.

use AsyncAws\Core\Credentials\ChainProvider;
use AsyncAws\Core\Exception\Http\HttpException;
use AsyncAws\Core\Sts\StsClient;

[, $libraries, $version] = $argv;
spl_autoload_register(function (string $class) use ($libraries): void {
    $file = $libraries . '/' . strtr($class, '\\', '/') . '.php';
    if (is_file($file)) {
        require $file;
    }
});
require $libraries . '/Symfony/Contracts/Deprecation/function.php';

function say(array $line): void
{
    echo json_encode($line), "\n";
}

say(['sdk' => $version]);
$pause = 1000 * (int) getenv('CALL_EVERY_MS');
// The default chain. A client that makes it itself keeps what it read.
$sts = new StsClient([], ChainProvider::createDefaultChain());
for (;;) {
    try {
        $sts->getCallerIdentity()->resolve();
        say(['ok' => true]);
    } catch (HttpException $error) {
        say(['ok' => false, 'code' => $error->getAwsCode()]);
    } catch (Throwable $error) {
        fwrite(STDERR, $error->getMessage() . "\n");
        say(['ok' => false, 'code' => get_class($error)]);
    }
    usleep($pause);
}
