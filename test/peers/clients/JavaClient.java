import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.privacyidea.PIResponse;
import org.privacyidea.PrivacyIDEA;

/**
 * Runs the Java client: java JavaClient url agent serviceAccount servicePassword serviceRealm. Reads "user TAB password",
 * a code, "trigger TAB TAB user" or "tokens TAB TAB user", and prints ACCEPT, CHALLENGE, REJECT, or the number of tokens.
 */
class JavaClient {
  public static void main(String[] arguments) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    String user = "";
    String transaction = null;
    try (PrivacyIDEA client = PrivacyIDEA.newBuilder(arguments[0], arguments[1])
        .serviceAccount(arguments[2], arguments[3]).serviceRealm(arguments[4]).build()) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] parts = line.split("\t", -1);
        if (parts[0].equals("tokens")) {
          var tokens = client.getTokenInfo(parts[2]);
          out.println(tokens == null ? "FAIL" : String.valueOf(tokens.size()));
          continue;
        }
        PIResponse response;
        if (parts.length == 1) {
          response = client.validateCheck(user, parts[0], transaction);
        } else if (parts.length == 2) {
          user = parts[0];
          response = client.validateCheck(user, parts[1]);
        } else {
          user = parts[2];
          response = client.triggerChallenges(user);
        }
        if (response == null) {
          out.println("FAIL");
          continue;
        }
        boolean isChallenge = response.transactionID != null && !response.transactionID.isEmpty();
        if (isChallenge) {
          transaction = response.transactionID;
          isChallenge = String.valueOf(client.pollTransaction(transaction)).equalsIgnoreCase("pending");
        }
        out.println(response.value ? "ACCEPT" : isChallenge ? "CHALLENGE" : response.error != null ? "FAIL" : "REJECT");
      }
    }
    System.exit(0);
  }
}
