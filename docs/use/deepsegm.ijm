// DeepSegm and ImageJ or Fiji: correct the outlines of a result, send them back as a new version.
// docs/use/imagej.md says how. It needs curl, which Windows 10, macOS and Linux bring along.

Dialog.create("DeepSegm");
Dialog.addString("Address of the site", call("ij.Prefs.get", "deepsegm.site", "http://127.0.0.1:8000"), 40);
Dialog.addString("Id of the result", "", 40);
Dialog.addString("Token or secret", "", 40);
Dialog.addFile("Image", "");
Dialog.show();
site = Dialog.getString();
id = Dialog.getString();
token = Dialog.getString();
image = Dialog.getString();
call("ij.Prefs.set", "deepsegm.site", site);

folder = getDirectory("temp");
login = folder + "deepsegm-login.txt";  // a file, so that the token is not in the list of processes
before = folder + "deepsegm-" + id + ".zip";
after = folder + "deepsegm-" + id + "-corrected.zip";
job = site + "/api/v1/jobs/" + id;

saveLogin();
said = exec("curl", "-sS", "-K", login, "-o", before, "-w", "%{http_code}", job + "/files/rois-all.zip?wait=30");
File.delete(login);
if (indexOf(said, "200") < 0) exit("DeepSegm did not give the outlines (" + said + "): check address, id and token.");

open(image);
roiManager("reset");
roiManager("open", before);
roiManager("show all without labels");
waitForUser("DeepSegm", "Correct the outlines in the ROI Manager:\n \n"
    + "Delete: choose an outline, then Delete.\n"
    + "Change: choose an outline, drag its points, then Update.\n"
    + "Add: draw an outline, then Add (T).\n"
    + "Red outlines do not count. To count one, change it, or remove the reason from its name.\n \n"
    + "OK sends all outlines of the ROI Manager to DeepSegm.");

roiManager("deselect");
roiManager("save", after);
saveLogin();
said = exec("curl", "-sS", "-K", login, "-F", "outlines=@" + after, job + "/revisions");
File.delete(login);
start = indexOf(said, "\"page\": \"");
if (start < 0) exit("DeepSegm did not take the outlines: " + said);
page = substring(said, start + 9);
page = substring(page, 0, indexOf(page, "\""));
print("The new version: " + page);
run("URL...", "url=" + page);

function saveLogin() {
    File.saveString("header = \"Authorization: Bearer " + token + "\"\n", login);
}
