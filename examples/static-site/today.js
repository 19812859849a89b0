const weekend = [0, 6].includes(new Date().getDay());
document.querySelector("p").append(weekend ? " Closed today." : " Open today.");
