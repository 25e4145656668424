import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.sts.StsClient;

/**
 * Calls STS all the time with the AWS SDK for Java and the credentials that it finds by itself. Prints a line of JSON
 * for each call.
 */
public final class Consumer {
    public static void main(String[] arguments) throws InterruptedException {
        System.out.println("{\"sdk\": \"" + VersionInfo.SDK_VERSION + "\"}");
        long pause = Long.parseLong(System.getenv("CALL_EVERY_MS"));
        StsClient sts = StsClient.create();
        while (true) {
            try {
                sts.getCallerIdentity();
                System.out.println("{\"ok\": true}");
            } catch (AwsServiceException error) {
                refused(error.awsErrorDetails().errorCode());
            } catch (SdkException error) {
                System.err.println(error.getMessage());
                refused(error.getClass().getSimpleName());
            }
            Thread.sleep(pause);
        }
    }

    private static void refused(String code) {
        System.out.println("{\"ok\": false, \"code\": \"" + code + "\"}");
    }
}
